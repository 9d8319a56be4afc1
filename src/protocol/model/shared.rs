//! Parts of a world that most worlds have in common: cloned and hashed once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(super) struct Shared<T> {
    part: Arc<T>,
    /// None while it is being changed.
    hash: Option<u64>,
}

impl<T: Hash> Shared<T> {
    pub(super) fn new(part: T) -> Self {
        let mut shared = Self { part: Arc::new(part), hash: None };
        shared.seal();
        shared
    }

    /// It may have been changed since it was sealed.
    pub(super) fn is_open(&self) -> bool {
        self.hash.is_none()
    }

    /// Nothing is changed any more.
    pub(super) fn seal(&mut self) {
        if self.hash.is_none() {
            let mut hasher = DefaultHasher::new();
            self.part.hash(&mut hasher);
            self.hash = Some(hasher.finish());
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.part
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.hash = None;
        Arc::make_mut(&mut self.part)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.part, &other.part) || self.part == other.part)
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: Hash + Default> Default for Shared<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.unwrap().hash(state);
    }
}
