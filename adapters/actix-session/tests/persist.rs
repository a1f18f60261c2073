//! Sessions of actix-session that are kept on disk, over a socket: what a restart and a crash leave.

#[path = "../../../verify/support/client.rs"]
mod client;
#[path = "../examples/actix.rs"]
#[allow(dead_code, reason = "its `main` starts a server of its own")]
mod example;
#[path = "../../../persist/tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;

use actix_web::body::MessageBody;
use actix_web::cookie::{Key, time};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorServiceUnavailable;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{App, Error, HttpServer};
use client::{log_in, profile, send};
use cloakroom_actix_session::CloakroomSessionStore;
use cloakroom_persist::{Access, Options, Persistence, Settler, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{Dir, crash};

async fn settled(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let settler = request.app_data::<Data<Settler>>().expect("the server has it").clone();
    let (response, on_disk) = settler.run(next.call(request)).await;
    on_disk.map_err(ErrorServiceUnavailable)?;
    response
}

/// Serves the example over sessions that are kept in this directory.
fn start(dir: &Dir, key: &Key, fails: &Arc<AtomicBool>) -> (Persistence, SocketAddr) {
    let fails = Arc::clone(fails);
    let decide = move |_: Access| match fails.load(Ordering::Relaxed) {
        true => Verdict::Fail(std::io::ErrorKind::StorageFull),
        false => Verdict::Pass,
    };
    let sessions = Persistence::open(dir.path(), Options::new().faults(decide)).expect("a directory");
    let (store, settler) = (CloakroomSessionStore::new(sessions.store().clone()), Data::new(sessions.settler()));
    let key = key.clone();
    let server = HttpServer::new(move || {
        App::new()
            .wrap(example::middleware(store.clone(), key.clone(), time::Duration::minutes(1), false))
            .wrap(from_fn(settled))
            .app_data(settler.clone())
            .configure(example::routes)
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a free port");
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (sessions, address)
}

#[actix_web::test]
async fn a_restart_logs_nobody_out_and_a_logout_holds_after_a_crash() {
    let (dir, key, fails) = (Dir::new(), Key::generate(), Arc::default());
    let (sessions, address) = start(&dir, &key, &fails);
    let cookie = log_in(address, "").await;
    assert_eq!(profile(address, &cookie).await, 200);
    sessions.close().expect("a disk");

    let (sessions, address) = start(&dir, &key, &fails);
    assert_eq!(sessions.restored().sessions, 1);
    assert_eq!(profile(address, &cookie).await, 200);
    sessions.flush().expect("a disk");
    // A login gives another key.
    let newer = log_in(address, &cookie).await;
    assert_ne!(newer, cookie);
    crash(sessions, &dir);

    let (sessions, address) = start(&dir, &key, &fails);
    assert_eq!(profile(address, &cookie).await, 401, "the key before the login works again");
    let cookie = log_in(address, "").await;
    sessions.flush().expect("a disk");
    assert_eq!(send(address, "POST", "/logout", &cookie).await.status(), 204);
    crash(sessions, &dir);

    let (sessions, address) = start(&dir, &key, &fails);
    assert_eq!(profile(address, &cookie).await, 401, "a logout is lost");

    // A logout that is not on disk is not reported as done.
    let cookie = log_in(address, "").await;
    fails.store(true, Ordering::Relaxed);
    assert_eq!(send(address, "POST", "/logout", &cookie).await.status(), 503);
    assert_eq!(profile(address, &cookie).await, 401);
    fails.store(false, Ordering::Relaxed);
    drop(sessions);
}
