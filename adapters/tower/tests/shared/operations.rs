//! Each operation of a handler on its session.

use crate::harness::{BOUND, layer, store, store_with, with_engine};
use cloakroom::{Principal, SessionId, Timeouts};
use cloakroom_redis::SharedStore;
use cloakroom_tower::SessionError;
use cloakroom_tower::shared::Session;
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn};

/// Sends a request with this cookie to a handler, and returns its first cookie, as a client sends it.
async fn visit(store: &SharedStore, cookie: &str, handler: impl AsyncFnOnce(Session)) -> Option<String> {
    let once = Mutex::new(Some(handler));
    let service = layer(store.clone()).layer(service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().expect("the layer").clone();
        let handler = once.lock().expect("no panic").take().expect("one request");
        handler(session).await;
        Ok::<_, Infallible>(Response::new(()))
    }));
    let request = Request::builder().header(COOKIE, cookie).body(()).expect("a request");
    let answer = service.oneshot(request).await.expect("never an error");
    let cookie = answer.headers().get(SET_COOKIE)?.to_str().expect("ASCII");
    cookie.split(';').next().map(str::to_owned)
}

fn ada() -> Principal {
    Principal::new("ada")
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn attributes_are_set_read_changed_and_removed() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let cookie = visit(&store, "", async |session| {
            assert_eq!(session.get("a").await, Ok(None));
            assert_eq!(session.remove("a").await, Ok(false));
            assert_eq!(session.clear().await, Ok(()));
            assert_eq!(session.id().await, Ok(None));
            assert_eq!(session.set_each([("a", "1"), ("b", "2")]).await, Ok(()));
            assert_eq!(session.get("a").await, Ok(Some("1".to_owned())));
        })
        .await
        .expect("a cookie");
        visit(&store, &cookie, async |session| {
            let both = [Some("1".to_owned()), Some("2".to_owned())];
            assert_eq!(session.get_each(["a", "b"]).await, Ok(Some(both)));
            assert_eq!(session.contains("c").await, Ok(false));
            assert_eq!(session.increment("a", 4).await, Ok(5));
            assert_eq!(session.increment("word", 1).await, Ok(1));
            assert_eq!(session.set("word", "x").await, Ok(()));
            assert_eq!(session.increment("word", 1).await, Err(SessionError::NotANumber));
            let len = session.update(|draft| {
                draft.set("c", "3");
                draft.get("b").map(str::len)
            });
            assert_eq!(len.await, Ok(Some(1)));
            assert_eq!(session.take("b").await, Ok(Some("2".to_owned())));
            assert_eq!(session.take("b").await, Ok(None));
            assert_eq!(session.remove("c").await, Ok(true));
            let left = session.snapshot().await.expect("it is there").expect("a session");
            assert_eq!((left.get("a"), left.get("b"), left.get("c")), (Some("5"), None, None));
            assert_eq!(session.clear().await, Ok(()));
            assert_eq!(session.read(|attributes| attributes.iter().count()).await, Ok(Some(0)));
        })
        .await;
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn an_update_creates_a_session_and_one_that_fails_leaves_none() {
    with_engine(async |engine| {
        let store = store_with(&engine, |sessions| sessions.max_session_bytes(100)).await;
        let cookie = visit(&store, "", async |session| {
            assert_eq!(session.update(|draft| draft.set("a", "1")).await, Ok(()));
            assert_eq!(session.get("a").await, Ok(Some("1".to_owned())));
        });
        assert!(cookie.await.is_some());
        assert_eq!(store.count().await, Ok(1));
        let cookie = visit(&store, "", async |session| {
            let large = "x".repeat(1_000);
            let failed = session.update(|draft| draft.set("a", &large)).await;
            assert!(matches!(failed, Err(SessionError::TooLarge { .. })), "{failed:?}");
        });
        assert_eq!(cookie.await, None);
        assert_eq!(store.count().await, Ok(1));
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_rotation_gives_another_id_and_the_old_one_is_replaced() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let old =
            visit(&store, "", async |session| session.set("a", "b").await.expect("room")).await.expect("a cookie");
        let new = visit(&store, &old, async |session| {
            let before = session.id().await.expect("it is there");
            assert_eq!(session.rotate().await, Ok(()));
            assert_ne!(session.id().await.expect("it is there"), before);
            assert_eq!(session.get("a").await, Ok(Some("b".to_owned())));
        })
        .await
        .expect("a cookie");
        assert_ne!(new, old);
        visit(&store, &old, async |session| {
            assert_eq!(session.get("a").await, Ok(None));
            assert_eq!(session.set("a", "c").await, Err(SessionError::Replaced));
            assert_eq!(session.rotate().await, Err(SessionError::Replaced));
        })
        .await;
        visit(&store, "", async |session| assert_eq!(session.rotate().await, Err(SessionError::Gone))).await;
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn the_devices_of_a_user_are_listed_and_ended_one_by_one() {
    with_engine(async |engine| {
        let (store, other) = (store(&engine).await, store(&engine).await);
        let log_in = async |session: Session| session.login(&ada()).await.expect("room");
        let laptop = visit(&store, "", log_in).await.expect("a cookie");
        let phone = visit(&other, "", log_in).await.expect("a cookie");
        visit(&store, "", async |session| session.login(&Principal::new("eve")).await.expect("room")).await;
        visit(&store, &laptop, async |session| {
            let devices = session.devices().await.expect("they are there");
            let id = session.id().await.expect("it is there").expect("a session");
            assert_eq!((devices.len(), devices.iter().filter(|device| device.is(&id)).count()), (2, 1));
            let phone = devices.iter().find(|device| !device.is(&id)).expect("another device");
            assert_eq!(session.end_device(phone).await, Ok(true));
            assert_eq!(session.end_device(phone).await, Ok(false));
            assert_eq!(session.devices().await.expect("they are there").len(), 1);
        })
        .await;
        tokio::time::sleep(BOUND).await;
        visit(&other, &phone, async |session| assert_eq!(session.principal().await, Ok(None))).await;
        // The end of the own device is a logout.
        let removal = visit(&store, &laptop, async |session| {
            let devices = session.devices().await.expect("they are there");
            assert_eq!(session.end_device(&devices[0]).await, Ok(true));
            assert_eq!(session.principal().await, Ok(None));
        });
        assert_eq!(removal.await, Some("session_id=".to_owned()));
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn other_devices_end_and_this_one_stays() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let log_in = async |session: Session| session.login(&ada()).await.expect("room");
        let this = visit(&store, "", log_in).await.expect("a cookie");
        visit(&store, "", log_in).await;
        visit(&store, &this, async |session| {
            assert_eq!(session.logout_other_devices().await, Ok(1));
            assert_eq!(session.principal().await, Ok(Some(ada())));
        })
        .await;
        visit(&store, "", async |session| {
            assert_eq!(session.logout_other_devices().await, Err(SessionError::Gone));
            session.set("a", "b").await.expect("room");
            assert_eq!(session.logout_all_devices().await, Err(SessionError::NotLoggedIn));
        })
        .await;
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_logout_keeps_what_the_visitor_may_keep() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let user = visit(&store, "", async |session| {
            session.login(&ada()).await.expect("room");
            session.set_each([("basket", "tea"), ("name", "Ada")]).await.expect("room");
        })
        .await
        .expect("a cookie");
        let visitor = visit(&store, &user, async |session| {
            assert_eq!(session.logout_keeping(|key| key == "basket").await, Ok(()));
        })
        .await
        .expect("a cookie");
        assert!(visitor.starts_with("session_id_visitor="));
        visit(&store, &visitor, async |session| {
            assert_eq!(session.principal().await, Ok(None));
            let kept = [Some("tea".to_owned()), None];
            assert_eq!(session.get_each(["basket", "name"]).await, Ok(Some(kept)));
        })
        .await;
        visit(&store, &user, async |session| assert_eq!(session.exists().await, Ok(false))).await;
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_login_over_the_session_of_another_user_passes_nothing_on() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let cookie = visit(&store, "", async |session| {
            session.login(&ada()).await.expect("room");
            session.set("secret", "of ada").await.expect("room");
            let eve = Principal::new("eve");
            assert_eq!(session.bind(&eve).await, Err(SessionError::OtherPrincipal));
            assert_eq!(session.login(&eve).await, Ok(()));
            assert_eq!(session.get("secret").await, Ok(None));
            assert_eq!(session.principal().await, Ok(Some(eve)));
        });
        assert!(cookie.await.is_some());
        assert_eq!(store.count().await, Ok(1));
    });
}

#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn a_session_expires_by_the_timeouts_that_it_has() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        let cookie = visit(&store, "", async |session| {
            session.set("a", "b").await.expect("room");
            let soon = Timeouts::default().absolute(Duration::from_millis(300));
            assert_eq!(session.set_timeouts(soon).await, Ok(()));
            assert_eq!(session.touch().await, Ok(true));
        })
        .await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        visit(&store, &cookie.expect("a cookie"), async |session| {
            assert_eq!(session.exists().await, Ok(false));
            assert_eq!(session.touch().await, Ok(false));
            assert_eq!(session.set("a", "c").await, Ok(()), "an expired session makes room for a new one");
        })
        .await;
    });
}

/// Two handles of one request create a session at the same time: one of them does, and both store in it.
#[test]
#[ignore = "needs an engine: ci/shared.sh"]
fn handles_of_one_request_share_one_session() {
    with_engine(async |engine| {
        let store = store(&engine).await;
        for _ in 0..20 {
            let before = store.count().await.expect("it is there");
            let cookie = visit(&store, "", async |session| {
                let other = session.clone();
                let (one, two) = tokio::join!(session.set("a", "1"), other.set("b", "2"));
                assert_eq!((one, two), (Ok(()), Ok(())));
                let both = [Some("1".to_owned()), Some("2".to_owned())];
                assert_eq!(session.get_each(["a", "b"]).await, Ok(Some(both)));
            });
            let id: SessionId =
                cookie.await.expect("a cookie").split_once('=').expect("a value").1.parse().expect("an id");
            assert_eq!(store.exists(&id).await, Ok(true));
            assert_eq!(store.count().await, Ok(before + 1));
        }
    });
}
