//! Work that is done once for all who ask for the same: who asks while it has not
//! begun joins it, and who asks later joins what begins when it has ended.
//!
//! Work that is under way is never joined: it may have passed by what whoever asks
//! now knows to be there. So nobody is shown less than was there when they asked, and
//! waits for the end of two of them at most. Does not own what is done (`page`).

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// Whoever waits for it moves it on, and if nobody does any more it is given up.
type Work<V> = Shared<BoxFuture<'static, V>>;

/// The latest work for each of some keys, as long as somebody waits for it.
#[derive(Debug)]
pub struct Joint<K, V: Clone> {
    latest: Mutex<AHashMap<K, Latest<V>>>,
}

#[derive(Debug)]
struct Latest<V: Clone> {
    work: WeakShared<BoxFuture<'static, V>>,
    /// Changed only under the lock.
    begun: Arc<AtomicBool>,
}

impl<V: Clone> Latest<V> {
    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }
}

impl<K, V: Clone> Default for Joint<K, V> {
    fn default() -> Self {
        Self { latest: Mutex::default() }
    }
}

impl<K, V> Joint<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What `work` makes, begun by whoever asked first. Also whether that was somebody
    /// else.
    pub async fn join<F>(self: &Arc<Self>, key: K, work: impl FnOnce() -> F) -> (V, bool)
    where
        F: Future<Output = V> + Send + 'static,
    {
        // Dropped after the work, so that the last who leaves clears away.
        let leaving = Leaving { joint: self, key };
        let (work, joined) = self.find(&leaving.key, work);
        (work.await, joined)
    }

    fn find<F>(self: &Arc<Self>, key: &K, work: impl FnOnce() -> F) -> (Work<V>, bool)
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut latest = self.lock();
        let before = latest.get(key).and_then(|it| Some((it.work.upgrade()?, it.has_begun())));
        let under_way = match before {
            Some((work, false)) => return (work, true),
            Some((work, true)) => Some(work),
            None => None,
        };
        let (joint, begun) = (self.clone(), Arc::<AtomicBool>::default());
        let (begins, made) = (begun.clone(), work());
        let work = async move {
            if let Some(under_way) = under_way {
                under_way.await;
            }
            let closed = joint.lock();
            begins.store(true, Ordering::Relaxed);
            drop(closed);
            made.await
        };
        let work = work.boxed().shared();
        let weak = work.downgrade().expect("it has not ended");
        latest.insert(key.clone(), Latest { work: weak, begun });
        (work, false)
    }

    fn lock(&self) -> MutexGuard<'_, AHashMap<K, Latest<V>>> {
        // Each change of it is one step.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Leaving<'a, K: Eq + Hash, V: Clone> {
    joint: &'a Joint<K, V>,
    key: K,
}

impl<K: Eq + Hash, V: Clone> Drop for Leaving<'_, K, V> {
    fn drop(&mut self) {
        let mut latest = self.joint.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.get(&self.key).is_some_and(|it| it.work.upgrade().is_none()) {
            latest.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::sync::oneshot;

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Work that ends when it is told to.
    fn work() -> (oneshot::Sender<u32>, impl FnOnce() -> BoxFuture<'static, u32>) {
        let (end, ended) = oneshot::channel();
        (end, move || async move { ended.await.unwrap() }.boxed())
    }

    fn unused() -> BoxFuture<'static, u32> {
        async { unreachable!("it is joined") }.boxed()
    }

    #[test]
    fn what_has_begun_is_not_joined_and_what_has_not_is() {
        let joint = Arc::<Joint<&str, u32>>::default();
        let ((end, first), (end_next, next)) = (work(), work());
        let mut begun = pin!(joint.join("a", first));
        assert_eq!(poll(begun.as_mut()), None);
        let mut second = pin!(joint.join("a", next));
        assert_eq!(poll(second.as_mut()), None);
        // The second has not begun, for the first is under way.
        let mut third = pin!(joint.join("a", unused));
        assert_eq!(poll(third.as_mut()), None);
        let mut other = pin!(joint.join("b", || async { 7 }));
        assert_eq!(poll(other.as_mut()), Some((7, false)));
        end.send(1).unwrap();
        assert_eq!(poll(third.as_mut()), None);
        assert_eq!(poll(begun.as_mut()), Some((1, false)));
        // Now it has.
        let (end_last, last) = work();
        let mut fourth = pin!(joint.join("a", last));
        assert_eq!(poll(fourth.as_mut()), None);
        end_next.send(2).unwrap();
        assert_eq!(poll(second.as_mut()), Some((2, false)));
        assert_eq!(poll(third.as_mut()), Some((2, true)));
        end_last.send(3).unwrap();
        assert_eq!(poll(fourth.as_mut()), Some((3, false)));
    }

    #[test]
    fn whoever_leaves_leaves_it_to_the_others_and_the_last_one_leaves_nothing() {
        let joint = Arc::<Joint<&str, u32>>::default();
        let (end, first) = work();
        {
            let mut left = Box::pin(joint.join("a", first));
            assert_eq!(poll(left.as_mut()), None);
            let mut stays = pin!(joint.join("a", || async { 5 }));
            let mut joins = pin!(joint.join("a", unused));
            assert_eq!((poll(stays.as_mut()), poll(joins.as_mut())), (None, None));
            drop(left);
            assert_eq!(joint.lock().len(), 1);
            end.send(1).unwrap();
            // It waited for what others left.
            assert_eq!(poll(joins.as_mut()), Some((5, true)));
            assert_eq!(poll(stays.as_mut()), Some((5, false)));
        }
        assert!(joint.lock().is_empty());
        let (end, given_up) = work();
        {
            let mut only = pin!(joint.join("a", given_up));
            assert_eq!(poll(only.as_mut()), None);
        }
        assert!(joint.lock().is_empty() && end.is_closed());
    }
}
