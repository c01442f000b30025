//! What hastens a stop.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

/// Done once a stop is to be hastened: what `shutdown` leaves behind. Cheap to
/// clone, since every step of a stop that may take long asks for itself.
#[derive(Clone)]
pub struct Hurry(pub(super) Shared<BoxFuture<'static, ()>>);

impl Hurry {
    /// When `told` is done.
    #[must_use]
    pub fn when(told: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(told.boxed().shared())
    }
}

impl From<()> for Hurry {
    /// Never.
    fn from((): ()) -> Self {
        Self::when(std::future::pending())
    }
}
