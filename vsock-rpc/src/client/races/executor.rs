//! A scheduler that makes every choice by one sequence of random numbers: the same seed, the same run.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// SplitMix64. Clones draw from the same sequence.
#[derive(Clone)]
pub(super) struct Random(Rc<RefCell<u64>>);

impl Random {
    pub(super) fn from_seed(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(seed)))
    }

    /// A number below `bound`.
    pub(super) fn below(&self, bound: usize) -> usize {
        let mut state = self.0.borrow_mut();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below a usize")
    }

    pub(super) fn one_in(&self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// Lets others run, this many times.
    pub(super) async fn pause(&self, most: usize) {
        let mut left = self.below(most + 1);
        poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks of one thread, of which one that was woken is polled next, whichever the numbers say.
#[derive(Default)]
pub(super) struct Executor {
    tasks: Vec<(&'static str, Option<Task>)>,
    woken: Arc<Mutex<Vec<usize>>>,
}

struct TaskWaker {
    index: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut woken = self.woken.lock().expect("nothing panics while it holds this");
        // Sorted, so that in which order several were woken does not matter: a hash map may have been involved.
        if let Err(at) = woken.binary_search(&self.index) {
            woken.insert(at, self.index);
        }
    }
}

impl Executor {
    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        let index = self.tasks.len();
        self.tasks.push((name, Some(Box::pin(task))));
        self.waker(index).wake();
    }

    /// Runs until all tasks have ended.
    ///
    /// # Panics
    /// If some have not, and nothing will wake them, or they run without end.
    pub(super) fn run(&mut self, random: &Random) {
        for _ in 0..MAX_STEPS {
            let Some(index) = self.next(random) else {
                let stuck: Vec<_> =
                    self.tasks.iter().filter(|(_, task)| task.is_some()).map(|(name, _)| name).collect();
                assert!(stuck.is_empty(), "asleep for ever: {stuck:?}");
                return;
            };
            let waker = self.waker(index);
            let task = &mut self.tasks[index].1;
            if let Some(running) = task
                && running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
            {
                *task = None;
            }
        }
        panic!("no end after {MAX_STEPS} steps");
    }

    fn next(&self, random: &Random) -> Option<usize> {
        let mut woken = self.woken.lock().expect("nothing panics while it holds this");
        (!woken.is_empty()).then(|| {
            let chosen = random.below(woken.len());
            woken.remove(chosen)
        })
    }

    fn waker(&self, index: usize) -> Waker {
        Arc::new(TaskWaker { index, woken: Arc::clone(&self.woken) }).into()
    }
}

const MAX_STEPS: usize = 200_000;
