//! Attributes that are being changed, before anyone else sees them.

use super::Attributes;
use super::index::Indexed;
use super::layout::{Pair, Pairs};
use super::limits::{Excess, Limits};
use super::pack::{Assignment, Removal};
use core::fmt;
use core::ops::Deref;
use std::borrow::Cow;
use std::sync::OnceLock;

/// How many changes to attributes of any size are made by writing them anew.
const CHANGES_OF_ALL: u32 = 16;

/// To attributes of up to so many bytes, any number of changes is.
const SMALL_SIZE: usize = 512;

/// The attributes that an [`update`](crate::SessionStore::update) will leave behind, to be edited as one likes.
///
/// It reads like [`Attributes`], with what was changed. It is nobody else's: the session is changed once, when the
/// closure has returned, or not at all. Nothing is copied before the first change, or the first few attempts at one.
/// How large it may be, the store says at the end; on the way it may be larger. `Debug` shows how many attributes there
/// are, and neither keys nor values.
///
/// # Examples
///
/// ```
/// # let store = cloakroom::SessionStore::default();
/// let id = store.create_with([("cart", "3"), ("coupon", "ten")])?;
/// store.update(&id, |draft| {
///     if draft.remove("coupon") {
///         draft.set("price", "90");
///     }
///     assert_eq!(draft.get("price"), Some("90"));
///     assert!(draft.iter().eq([("cart", "3"), ("price", "90")]));
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Draft<'a> {
    form: Form<'a>,
}

enum Form<'a> {
    /// Each change writes a new text, so where that is much, there are few changes.
    Packed {
        text: Cow<'a, str>,
        changes_left: u32,
    },
    Indexed(Box<Scattered>),
}

struct Scattered {
    pairs: Indexed,
    /// What [`Deref`] shows where the pairs do not lie in one piece. Made when it is asked for, and gone with the next
    /// change. (No thread waits for another here, unless `f` shows its draft to several.)
    view: OnceLock<String>,
}

impl Scattered {
    fn packed(&self) -> &str {
        self.pairs.packed().unwrap_or_else(|| self.view.get_or_init(|| self.pairs.copied()))
    }

    fn change(&mut self) -> &mut Indexed {
        self.view.take();
        &mut self.pairs
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn of(before: &'a Attributes) -> Self {
        Self { form: Form::Packed { text: Cow::Borrowed(&before.packed), changes_left: CHANGES_OF_ALL } }
    }

    pub(crate) fn packed(&self) -> &str {
        match &self.form {
            Form::Packed { text, .. } => text,
            Form::Indexed(scattered) => scattered.packed(),
        }
    }

    /// Checks the limits, and does nothing else.
    pub(crate) fn check(&self, limits: Limits) -> Result<(), Excess> {
        match &self.form {
            Form::Packed { text, .. } => limits.admit_counted(|| Pairs::of(text).count(), text.len())?,
            Form::Indexed(scattered) => limits.admit(scattered.pairs.len(), scattered.pairs.size())?,
        };
        Ok(())
    }

    /// Sets an attribute.
    ///
    /// Takes time in proportion to the size of the attributes as they were in the beginning, and however often it is
    /// called, not much more than that and the size of what is set, all in all. Allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// let fields: Vec<(String, String)> = (0..500).map(|n| (format!("field {n}"), n.to_string())).collect();
    /// store.update(&id, |draft| fields.iter().for_each(|(field, value)| draft.set(field, value)))?;
    /// assert_eq!(store.get(&id, "field 499").as_deref(), Some("499"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&mut self, key: &str, value: &str) {
        match self.before_change() {
            Form::Packed { text, .. } => {
                let assignment = Assignment::new(Attributes::from_packed(text), key, value);
                if assignment.is_noop() {
                    return;
                }
                let mut changed = String::with_capacity(assignment.size());
                assignment.write(&mut changed).expect("a string grows");
                *text = Cow::Owned(changed);
            }
            Form::Indexed(scattered) => {
                let set = scattered.change().set(Pair { key, value }, Limits::NONE);
                set.expect("a draft has no limits");
            }
        }
    }

    /// Removes an attribute, and says whether it was there. Takes as long as [`set`](Self::set).
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("coupon", "ten")])?;
    /// assert_eq!(store.update(&id, |draft| (draft.remove("coupon"), draft.remove("coupon"))), Ok((true, false)));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn remove(&mut self, key: &str) -> bool {
        self.removal(key, |_| ()).is_some()
    }

    /// Removes an attribute, and returns its value. Takes as long as [`set`](Self::set).
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("coupon", "ten")])?;
    /// assert_eq!(store.update(&id, |draft| draft.take("coupon")), Ok(Some("ten".to_owned())));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.removal(key, str::to_owned)
    }

    fn removal<R>(&mut self, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        match self.before_change() {
            Form::Packed { text, .. } => {
                let removal = Removal::new(Attributes::from_packed(text), key)?;
                let result = f(removal.value());
                let mut left = String::with_capacity(removal.size());
                removal.write(&mut left).expect("a string grows");
                *text = Cow::Owned(left);
                Some(result)
            }
            Form::Indexed(scattered) => scattered.change().remove(key, f),
        }
    }

    /// Removes all attributes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("coupon", "ten")])?;
    /// store.update(&id, |draft| {
    ///     draft.clear();
    ///     draft.set("basket", "");
    /// })?;
    /// assert_eq!(store.keys(&id), Some(vec!["basket".to_owned()]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&mut self) {
        self.form = Form::Packed { text: Cow::Borrowed(""), changes_left: CHANGES_OF_ALL };
    }

    /// Returns the value of `key`, as [`Attributes::get`] does, but without walking over the attributes where many were
    /// changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("visits", "1")])?;
    /// store.update(&id, |draft| {
    ///     draft.set("visits", "2");
    ///     assert_eq!((draft.get("visits"), draft.get("Visits")), (Some("2"), None));
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        match &self.form {
            Form::Packed { text, .. } => Attributes::from_packed(text).get(key),
            Form::Indexed(scattered) => scattered.pairs.value_of(key),
        }
    }

    /// Tells whether there is an attribute `key`, as fast as [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("flag", "")])?;
    /// assert_eq!(store.update(&id, |draft| (draft.contains("flag"), draft.contains("Flag"))), Ok((true, false)));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Counts the attributes, as [`Attributes::len`] does, but without walking over them where many were changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("a", "1")])?;
    /// let count = store.update(&id, |draft| {
    ///     draft.set("b", "2");
    ///     draft.len()
    /// })?;
    /// assert_eq!(count, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Packed { text, .. } => Attributes::from_packed(text).len(),
            Form::Indexed(scattered) => scattered.pairs.len(),
        }
    }

    /// Tells whether there are no attributes, as [`Attributes::is_empty`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// assert_eq!(store.update(&id, |draft| draft.is_empty()), Ok(true));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.form {
            Form::Packed { text, .. } => text.is_empty(),
            Form::Indexed(scattered) => scattered.pairs.len() == 0,
        }
    }

    /// The form in which the next change is to be made.
    fn before_change(&mut self) -> &mut Form<'a> {
        if let Form::Packed { text, changes_left } = &mut self.form
            && text.len() > SMALL_SIZE
        {
            if *changes_left == 0 {
                let pairs = Indexed::of(core::mem::take(text).into_owned());
                self.form = Form::Indexed(Box::new(Scattered { pairs, view: OnceLock::new() }));
            } else {
                *changes_left -= 1;
            }
        }
        &mut self.form
    }
}

/// Shows the attributes in one piece, and takes time in proportion to their size where many were changed and not shown
/// since.
impl Deref for Draft<'_> {
    type Target = Attributes;

    #[inline]
    fn deref(&self) -> &Attributes {
        Attributes::from_packed(self.packed())
    }
}

/// Shows the number of attributes only.
impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("len", &self.len()).finish_non_exhaustive()
    }
}
