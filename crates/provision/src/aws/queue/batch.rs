//! The batch calls of SQS, which can do one part and refuse another.

use std::time::Duration;

use aws_sdk_sqs::types::BatchResultErrorEntry;
use tokio::time::sleep;

/// The most entries in one call.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
pub(crate) const SIZE: usize = 10;

/// The most bytes in one call. AWS allows 1 MiB since 2025, and 256 KiB before and elsewhere; one message alone may be larger.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const BYTES: usize = 256 * 1024;

/// How often a part that SQS itself has failed to do is asked for.
const ATTEMPTS: u32 = 4;

/// The pause before the second attempt; it doubles before each further one.
const PAUSE: Duration = Duration::from_millis(100);

/// What SQS has not done, in spite of all attempts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused<T> {
    pub(crate) item: T,
    /// AWS's error code.
    pub(crate) code: String,
}

/// The answer to a call: the entries that are done, by their id, and those that are not.
pub(super) struct Answer {
    pub(super) done: Vec<String>,
    pub(super) failed: Vec<BatchResultErrorEntry>,
}

/// Makes calls of a permitted size for these items, in which the place of an item is its id, and tries again what has failed
/// by SQS's own fault. Only what an answer calls done counts as done.
pub(super) async fn in_batches<T: Copy>(
    items: &[T],
    size: impl Fn(T) -> usize,
    call: impl AsyncFn(&[T]) -> anyhow::Result<Answer>,
) -> anyhow::Result<Vec<Refused<T>>> {
    let mut refused = Vec::new();
    for batch in batches(items, size) {
        let mut left = batch.to_vec();
        for attempt in 1..=ATTEMPTS {
            let Answer { done, failed } = call(&left).await?;
            let mut again = Vec::new();
            for (place, item) in left.into_iter().enumerate() {
                let id = place.to_string();
                if done.contains(&id) {
                    continue;
                }
                let failure = failed.iter().find(|failure| failure.id == id);
                if attempt == ATTEMPTS || failure.is_some_and(|failure| failure.sender_fault) {
                    let code = failure.map_or("NoAnswer", |failure| failure.code.as_str()).to_owned();
                    refused.push(Refused { item, code });
                } else {
                    again.push(item);
                }
            }
            if again.is_empty() {
                break;
            }
            left = again;
            sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
        }
    }
    Ok(refused)
}

/// The items in parts that one call may have.
fn batches<T: Copy>(mut items: &[T], size: impl Fn(T) -> usize) -> Vec<&[T]> {
    let mut batches = Vec::new();
    while !items.is_empty() {
        let mut bytes = 0;
        let fits = items.iter().take(SIZE).take_while(|item| {
            bytes += size(**item);
            bytes <= BYTES
        });
        let (batch, rest) = items.split_at(fits.count().max(1));
        batches.push(batch);
        items = rest;
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn failure(id: usize, sender_fault: bool) -> BatchResultErrorEntry {
        let entry = BatchResultErrorEntry::builder().id(id.to_string()).sender_fault(sender_fault);
        entry.code(if sender_fault { "InvalidParameterValue" } else { "InternalError" }).build().expect("an entry")
    }

    /// The calls for these items, and what was refused, where each call is answered by `answer`.
    async fn run(items: &[u32], answer: impl Fn(&[u32]) -> Answer) -> (Vec<Vec<u32>>, Vec<Refused<u32>>) {
        let calls = RefCell::new(Vec::new());
        let refused = in_batches(
            items,
            |_| 1,
            async |batch| {
                calls.borrow_mut().push(batch.to_vec());
                Ok(answer(batch))
            },
        );
        let refused = refused.await.expect("each call is answered");
        (calls.into_inner(), refused)
    }

    #[tokio::test(start_paused = true)]
    async fn what_sqs_has_failed_to_do_is_tried_again_and_nothing_else() {
        // 7 fails once in each call that it is not alone in; 8 is wrong.
        let (calls, refused) = run(&[6, 7, 8], |batch| {
            let is_failed = |item: u32| item == 8 || item == 7 && batch.len() > 1;
            let ids = || (0..).zip(batch).map(|(id, item)| (id, *item));
            Answer {
                done: ids().filter(|(_, item)| !is_failed(*item)).map(|(id, _): (usize, _)| id.to_string()).collect(),
                failed: ids().filter(|(_, item)| is_failed(*item)).map(|(id, item)| failure(id, item == 8)).collect(),
            }
        })
        .await;
        assert_eq!(calls, [vec![6, 7, 8], vec![7]]);
        assert_eq!(refused, [Refused { item: 8, code: "InvalidParameterValue".to_owned() }]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_that_no_answer_mentions_is_not_done() {
        let (calls, refused) = run(&[1], |_| Answer { done: Vec::new(), failed: Vec::new() }).await;
        assert_eq!(calls.len(), 4);
        assert_eq!(refused, [Refused { item: 1, code: "NoAnswer".to_owned() }]);
    }

    #[test]
    fn a_call_has_ten_entries_at_most_and_no_more_bytes_than_aws_takes() {
        let lengths = |sizes: &[usize]| batches(sizes, |size| size).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&[1; 23]), [10, 10, 3]);
        assert_eq!(lengths(&[BYTES / 2, BYTES / 2, 1]), [2, 1]);
        assert_eq!(lengths(&[1, 2 * BYTES, 1]), [1, 1, 1], "a large message goes alone");
        assert_eq!(lengths(&[]), [0; 0]);
    }
}
