//! Questions that wait for the person: one window at a time, the same question once, and no more than can be answered.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oidc_proto::secret::Password;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};

use super::{
    permission::Permission,
    pinentry::{Buttons, Pinentry, PromptError, Question},
};

/// Questions that may wait at the same time, the one that is shown included.
const MAX_QUESTIONS: usize = 32;

type Answer = Result<Permission, PromptError>;

/// All questions of an agent. A cheap handle.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

struct Shared {
    /// Who has the permit shows a window; in order of arrival.
    window: Semaphore,
    room: Semaphore,
    open: Mutex<Vec<Open>>,
}

/// A question that waits or is shown.
struct Open {
    what: Option<String>,
    answer: watch::Sender<Option<Answer>>,
}

impl Default for Queue {
    fn default() -> Self {
        Self(Arc::new(Shared {
            window: Semaphore::new(1),
            room: Semaphore::new(MAX_QUESTIONS),
            open: Mutex::default(),
        }))
    }
}

impl Queue {
    /// Asks for a yes, which may be one that lasts. Whoever asks for the same (`what`) while the question is open gets the
    /// same answer, for once: what lasts is for whom the window names. Without `what` the question is nobody else's. Each waits until a deadline of its own. The question
    /// is taken back when nobody waits for its answer any more.
    pub async fn confirm(
        &self,
        pinentry: &Pinentry,
        what: Option<&str>,
        question: Question<'_>,
        may_last: bool,
        patience: Duration,
    ) -> Answer {
        let (mut answer, is_named) =
            self.join(what, may_last, patience, || (pinentry.clone(), question.to_owned()))?;
        let answer = match timeout(patience, answer.wait_for(Option::is_some)).await {
            Err(_) => Err(PromptError::Timeout(patience)),
            Ok(Ok(answer)) => answer.clone().unwrap_or(Err(PromptError::Cancelled)),
            Ok(Err(_)) => Err(PromptError::Cancelled),
        };
        answer.map(|permission| if is_named { permission } else { Permission::Once })
    }

    /// Asks for a password, when its turn has come.
    pub async fn password(
        &self,
        pinentry: &Pinentry,
        question: Question<'_>,
        patience: Duration,
    ) -> Result<Password, PromptError> {
        self.in_turn(patience, |left| pinentry.password(question, left)).await
    }

    /// Asks with two buttons, when its turn has come. The one that cancels is [`PromptError::Cancelled`].
    pub async fn decide(
        &self,
        pinentry: &Pinentry,
        question: Question<'_>,
        buttons: &Buttons,
        patience: Duration,
    ) -> Result<(), PromptError> {
        self.in_turn(patience, |left| pinentry.decide(question, buttons, left)).await
    }

    /// Waits for the turn, then asks for as long as is left.
    async fn in_turn<T, F: Future<Output = Result<T, PromptError>>>(
        &self,
        patience: Duration,
        ask: impl FnOnce(Duration) -> F,
    ) -> Result<T, PromptError> {
        let deadline = Instant::now() + patience;
        let _room = self.0.room.try_acquire().map_err(|_| PromptError::TooMany)?;
        let too_late = |_| PromptError::Timeout(patience);
        let _window = timeout_at(deadline, self.0.window.acquire()).await.map_err(too_late)?;
        ask(deadline.duration_since(Instant::now())).await
    }

    fn join(
        &self,
        what: Option<&str>,
        may_last: bool,
        patience: Duration,
        begin: impl FnOnce() -> (Pinentry, Question<'static>),
    ) -> Result<(watch::Receiver<Option<Answer>>, bool), PromptError> {
        let mut open = self.open();
        if let Some(same) = open.iter().find(|open| what.is_some() && open.what.as_deref() == what) {
            return Ok((same.answer.subscribe(), false));
        }
        self.0.room.try_acquire().map_err(|_| PromptError::TooMany)?.forget();
        let answer = watch::Sender::new(None);
        let receiver = answer.subscribe();
        open.push(Open { what: what.map(str::to_owned), answer: answer.clone() });
        drop(open);
        let (pinentry, question) = begin();
        let queue = self.clone();
        tokio::spawn(async move {
            let asked = queue.ask(&answer, &pinentry, &question, may_last, patience).await;
            // Off the list first: who asks from now on gets a window of their own.
            queue.close(&answer);
            answer.send_replace(asked);
        });
        Ok((receiver, true))
    }

    /// `None` when nobody waits any more.
    async fn ask(
        &self,
        waiting: &watch::Sender<Option<Answer>>,
        pinentry: &Pinentry,
        question: &Question<'_>,
        may_last: bool,
        patience: Duration,
    ) -> Option<Answer> {
        let shown = async {
            let _window = self.0.window.acquire().await;
            // Everybody who joins within the first one's time has their own.
            pinentry.permission(question, may_last, patience * 2).await
        };
        tokio::pin!(shown);
        loop {
            tokio::select! {
                biased;
                answer = &mut shown => return Some(answer),
                () = waiting.closed() => {
                    let mut open = self.open();
                    // Somebody may have joined at this very moment.
                    if waiting.receiver_count() == 0 {
                        remove(&mut open, waiting);
                        return None;
                    }
                }
            }
        }
    }

    fn close(&self, answer: &watch::Sender<Option<Answer>>) {
        remove(&mut self.open(), answer);
        self.0.room.add_permits(1);
    }

    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one question off the list; the same may have been asked anew since.
fn remove(open: &mut Vec<Open>, answer: &watch::Sender<Option<Answer>>) {
    open.retain(|open| !open.answer.same_channel(answer));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::testing::*, *};

    const PLENTY: Duration = Duration::from_secs(30);

    /// Answers yes as soon as the file `go` is there.
    fn patient() -> Fake {
        Fake::new("while ! [ -e \"$0.go\" ]; do sleep 0.01; done; echo OK")
    }

    fn let_go(fake: &Fake) {
        fs_err::write(fake.program().with_extension("go"), "").expect("written");
    }

    fn shown(fake: &Fake) -> usize {
        fs_err::read_to_string(fake.heard()).unwrap_or_default().matches("CONFIRM").count()
    }

    async fn until(condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PLENTY, wait).await.expect("it happens");
    }

    fn spawn(queue: &Queue, program: &Path, what: String) -> tokio::task::JoinHandle<Answer> {
        let (queue, pinentry) = (queue.clone(), Pinentry::at(program));
        tokio::spawn(async move { queue.confirm(&pinentry, Some(&what), QUESTION, false, PLENTY).await })
    }

    #[tokio::test]
    async fn what_lasts_is_for_whom_the_window_names() {
        let fake = Fake::new(
            "if [ -e \"$0.go\" ]; then echo OK; else while ! [ -e \"$0.go\" ]; do sleep 0.01; done; \
             echo 'ERR 83886194 Not confirmed'; fi",
        );
        let queue = Queue::default();
        let spawn = || {
            let (queue, pinentry) = (queue.clone(), Pinentry::at(fake.program()));
            tokio::spawn(async move { queue.confirm(&pinentry, Some("same"), QUESTION, true, PLENTY).await })
        };
        let named = spawn();
        until(|| shown(&fake) == 1).await;
        let other = spawn();
        until(|| queue.open()[0].answer.receiver_count() == 2).await;
        let_go(&fake);
        assert_eq!(named.await.expect("no panic").ok(), Some(Permission::ForMinutes));
        assert_eq!(other.await.expect("no panic").ok(), Some(Permission::Once));
    }

    #[tokio::test]
    async fn a_hundred_equal_questions_are_one_window() {
        let (queue, fake) = (Queue::default(), patient());
        let jobs: Vec<_> = (0..100).map(|_| spawn(&queue, &fake.program(), "same".into())).collect();
        until(|| shown(&fake) == 1).await;
        let_go(&fake);
        for job in jobs {
            assert_eq!(job.await.expect("no panic").ok(), Some(Permission::Once));
        }
        assert_eq!(shown(&fake), 1);
        queue
            .confirm(&Pinentry::at(fake.program()), Some("same"), QUESTION, false, PLENTY)
            .await
            .expect("a yes");
        assert_eq!(shown(&fake), 2, "an answer is for those who waited only");
    }

    #[tokio::test]
    async fn a_question_of_ones_own_is_a_window_of_ones_own() {
        let (queue, fake) = (Queue::default(), patient());
        let jobs: Vec<_> = (0..3)
            .map(|_| {
                let (queue, pinentry) = (queue.clone(), Pinentry::at(fake.program()));
                tokio::spawn(async move { queue.confirm(&pinentry, None, QUESTION, false, PLENTY).await })
            })
            .collect();
        until(|| queue.open().len() == 3).await;
        let_go(&fake);
        for job in jobs {
            job.await.expect("no panic").expect("a yes");
        }
        assert_eq!(shown(&fake), 3);
    }

    #[tokio::test]
    async fn different_questions_come_one_after_the_other() {
        let (queue, fake) = (Queue::default(), patient());
        let jobs: Vec<_> = (0..3).map(|n| spawn(&queue, &fake.program(), format!("question {n}"))).collect();
        until(|| shown(&fake) == 1).await;
        tokio::task::yield_now().await;
        assert_eq!(shown(&fake), 1, "one window at a time");
        let_go(&fake);
        for job in jobs {
            job.await.expect("no panic").expect("a yes");
        }
        assert_eq!(shown(&fake), 3);
    }

    #[tokio::test]
    async fn a_window_closes_with_the_last_who_waits() {
        let (queue, fake) = (Queue::default(), Fake::new("echo $$ > \"$0.pid\"; exec sleep 60"));
        let jobs: Vec<_> = (0..2).map(|_| spawn(&queue, &fake.program(), "same".into())).collect();
        let pid = fake.program().with_extension("pid");
        until(|| fs_err::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))).await;
        let process = format!("/proc/{}", fs_err::read_to_string(&pid).expect("written").trim());
        let mut jobs = jobs.into_iter();
        jobs.next().expect("the first").abort();
        tokio::task::yield_now().await;
        assert!(Path::new(&process).exists(), "somebody still waits");
        jobs.next().expect("the second").abort();
        until(|| !Path::new(&process).exists()).await;
        until(|| queue.open().is_empty()).await;
    }

    #[tokio::test]
    async fn each_waits_until_its_own_deadline() {
        let (queue, fake) = (Queue::default(), patient());
        let long = spawn(&queue, &fake.program(), "same".into());
        until(|| shown(&fake) == 1).await;
        let pinentry = Pinentry::at(fake.program());
        let short = queue.confirm(&pinentry, Some("same"), QUESTION, false, Duration::from_millis(50)).await;
        assert!(matches!(short, Err(PromptError::Timeout(_))), "{short:?}");
        let_go(&fake);
        long.await.expect("no panic").expect("a yes");
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let (queue, fake) = (Queue::default(), patient());
        let jobs: Vec<_> =
            (0..MAX_QUESTIONS).map(|n| spawn(&queue, &fake.program(), format!("question {n}"))).collect();
        until(|| queue.open().len() == MAX_QUESTIONS).await;
        let pinentry = Pinentry::at(fake.program());
        let refused = queue.confirm(&pinentry, Some("one more"), QUESTION, false, PLENTY).await;
        assert!(matches!(refused, Err(PromptError::TooMany)), "{refused:?}");
        let refused = queue.password(&pinentry, QUESTION, PLENTY).await;
        assert!(matches!(refused, Err(PromptError::TooMany)), "{refused:?}");
        let same = spawn(&queue, &fake.program(), "question 0".into());
        let_go(&fake);
        for job in jobs.into_iter().chain([same]) {
            job.await.expect("no panic").expect("a yes");
        }
    }
}
