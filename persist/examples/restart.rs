//! Opens a directory twice, as two processes would one after the other, and shows what comes back.
//!
//! ```sh
//! cargo run -p cloakroom-persist --example restart
//! ```

use cloakroom::{Principal, SessionStore};
use cloakroom_persist::{Changes, Options, Persistence};
use std::error::Error;
use std::time::Duration;

fn options() -> Options {
    let store = SessionStore::builder().ttl(Duration::from_secs(30 * 60)).max_sessions(100_000);
    Options::new().store(store).changes(Changes::Within(Duration::from_millis(200)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let parent = tempfile::tempdir()?;
    let dir = parent.path().join("sessions");
    let ada = Principal::new("ada");

    let sessions = Persistence::open(&dir, options())?;
    let store = sessions.store();
    let laptop = store.new_session().principal(ada).create_with([("device", "laptop")])?;
    let phone = store.new_session().principal(ada).create_with([("device", "phone")])?;
    // This returns when it is on disk.
    assert!(store.delete(&phone));
    sessions.close()?;

    let sessions = Persistence::open(&dir, options())?;
    let store = sessions.store();
    println!("{} restored, {} had expired", sessions.restored().sessions, sessions.restored().expired);
    assert_eq!(store.get(&laptop, "device").as_deref(), Some("laptop"));
    assert_eq!(store.sessions_of(&ada), [laptop]);
    assert!(!store.exists(&phone));
    sessions.close()?;
    println!("everything held");
    Ok(())
}
