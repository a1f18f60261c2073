//! The traits of tower-sessions, implemented once for each version, because their types are those of different crates.

/// Implements the traits of one version for both kinds.
macro_rules! implement {
    ($version:ident, $tower_sessions_core:ident) => {
        mod $version {
            use async_trait::async_trait;
            use cloakroom::InsertError;
            use $tower_sessions_core::SessionStore;
            use $tower_sessions_core::session::{Id, Record};
            use $tower_sessions_core::session_store::{Error, ExpiredDeletion, Result};

            use crate::sessions::{Content, Sessions};
            use crate::{CloakroomCache, CloakroomStore};

            fn create(sessions: &Sessions, record: &mut Record) -> Result<()> {
                loop {
                    match sessions.insert(record.id.0, &record.data, record.expiry_date) {
                        Err(InsertError::Occupied) => record.id = Id::default(),
                        other => return other.map_err(backend),
                    }
                }
            }

            fn record(id: Id, (data, expiry_date): Content) -> Record {
                Record { id, data, expiry_date }
            }

            fn backend(error: impl core::error::Error) -> Error {
                Error::Backend(error.to_string())
            }

            #[async_trait]
            impl SessionStore for CloakroomStore {
                async fn create(&self, record: &mut Record) -> Result<()> {
                    self.0.check(&record.data).map_err(backend)?;
                    create(&self.0, record)
                }

                async fn save(&self, record: &Record) -> Result<()> {
                    self.0.check(&record.data).map_err(backend)?;
                    // A session that has ended stays ended. The trait has no error for a late save.
                    self.0.replace(record.id.0, &record.data, record.expiry_date);
                    Ok(())
                }

                async fn load(&self, id: &Id) -> Result<Option<Record>> {
                    Ok(self.0.load(id.0).map(|content| record(*id, content)))
                }

                async fn delete(&self, id: &Id) -> Result<()> {
                    self.0.delete(id.0);
                    Ok(())
                }
            }

            #[async_trait]
            impl SessionStore for CloakroomCache {
                async fn create(&self, record: &mut Record) -> Result<()> {
                    if self.0.check(&record.data).is_err() {
                        return Ok(());
                    }
                    create(&self.0, record)
                }

                async fn save(&self, record: &Record) -> Result<()> {
                    if self.0.check(&record.data).is_err() {
                        // What the cache has is older. The store behind it has the record.
                        self.0.delete(record.id.0);
                        return Ok(());
                    }
                    // Never restores a session that has been deleted. The trait has no error for a late save.
                    self.0.fill(record.id.0, &record.data, record.expiry_date).map_err(backend)
                }

                async fn load(&self, id: &Id) -> Result<Option<Record>> {
                    Ok(self.0.load_or_reserve(id.0).map(|content| record(*id, content)))
                }

                async fn delete(&self, id: &Id) -> Result<()> {
                    self.0.delete_and_bar(id.0);
                    Ok(())
                }
            }

            #[async_trait]
            impl ExpiredDeletion for CloakroomStore {
                async fn delete_expired(&self) -> Result<()> {
                    self.0.delete_expired().await;
                    Ok(())
                }
            }

            #[async_trait]
            impl ExpiredDeletion for CloakroomCache {
                async fn delete_expired(&self) -> Result<()> {
                    self.0.delete_expired().await;
                    Ok(())
                }
            }
        }
    };
}

#[cfg(feature = "v0_14")]
implement!(v0_14, tower_sessions_core_0_14);
#[cfg(feature = "v0_15")]
implement!(v0_15, tower_sessions_core_0_15);
