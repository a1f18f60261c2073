//! Attributes that are being changed, before other threads see them.

use super::Attributes;
use super::index::Indexed;
use super::layout::{Pair, Pairs};
use super::limits::{Excess, Limits};
use super::pack::{Assignment, Removal};
use core::fmt;
use core::ops::Deref;
use std::borrow::Cow;
use std::sync::OnceLock;

/// The number of changes that rewrite the whole text, if it is larger than [`SMALL_SIZE`].
const CHANGES_OF_ALL: u32 = 16;

/// Up to this size in bytes, every change rewrites the whole text.
const SMALL_SIZE: usize = 512;

/// Holds the attributes that an [`update`](crate::SessionStore::update) edits.
///
/// It has the methods of [`Attributes`], which show the edited state. No other thread sees the draft: the session is
/// changed once, after the closure has returned, or not at all. Nothing is copied before the first change. The store
/// checks the limits at the end, so a draft may exceed them in between. `Debug` shows the number of attributes, and
/// neither keys nor values.
///
/// Every method is wait-free if the allocator is. The methods that change the draft allocate.
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
    /// Each change writes a new text. The number of changes to a large text is limited.
    Packed {
        text: Cow<'a, str>,
        changes_left: u32,
    },
    Indexed(Box<Scattered>),
}

struct Scattered {
    pairs: Indexed,
    /// The packed form that [`Deref`] shows if the pairs are not in one piece. Made on demand, and dropped by the next
    /// change. (A thread waits here only if `f` itself shows its draft to several threads.)
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

    /// Checks the limits.
    pub(crate) fn check(&self, limits: Limits) -> Result<(), Excess> {
        match &self.form {
            Form::Packed { text, .. } => limits.admit_counted(|| Pairs::of(text).count(), text.len())?,
            Form::Indexed(scattered) => limits.admit(scattered.pairs.len(), scattered.pairs.size())?,
        };
        Ok(())
    }

    /// Sets an attribute.
    ///
    /// The first calls take time in proportion to the size of all attributes. Further calls take time in proportion to
    /// the size of the attribute, on average. Wait-free; allocates.
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

    /// Removes an attribute. Returns whether it was there. Takes as long as [`set`](Self::set). Wait-free; allocates.
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

    /// Removes an attribute, and returns its value. Takes as long as [`set`](Self::set). Wait-free; allocates.
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

    /// Removes all attributes. Wait-free; allocates nothing.
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

    /// Returns the value of `key`, as [`Attributes::get`] does, but in constant time after many changes. Wait-free;
    /// allocates nothing.
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

    /// Tells whether there is an attribute `key`, as fast as [`get`](Self::get). Wait-free; allocates nothing.
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

    /// Counts the attributes, as [`Attributes::len`] does, but in constant time after many changes. Wait-free;
    /// allocates nothing.
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

    /// Tells whether there are no attributes, as [`Attributes::is_empty`] does. Wait-free; allocates nothing.
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

    /// The form for the next change.
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

/// Shows the attributes in one piece. After many changes, the first use copies them, which allocates. (If the closure
/// shares its draft among threads, a thread may block while another makes that copy.)
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
