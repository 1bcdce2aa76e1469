use super::*;

fn queue(queue_words: usize, batch_words: usize) -> Arc<Queue> {
    Arc::new(Queue::new(Bounds {
        queue_words,
        batch_words,
        batch_requests: usize::MAX,
        window: Duration::ZERO,
    }))
}

/// A request with texts of these lengths in words.
fn work(words: &[usize]) -> RequestWork {
    let text = |&words: &usize| TokenizedText {
        joined: words.to_string(),
        words,
    };
    RequestWork {
        model: 0,
        output: OutputKind::Vectors,
        texts: words.iter().map(text).collect(),
    }
}

/// The lengths of a batch's texts, by request.
fn lengths(batch: &TextBatch) -> Vec<(u64, Vec<usize>)> {
    let of = |texts: &[TokenizedText]| texts.iter().map(|text| text.words).collect();
    batch
        .parts
        .iter()
        .map(|(job, texts)| (*job, of(texts)))
        .collect()
}

/// Computes a batch; a text's vector is its length.
fn compute(queue: &Queue, batch: TextBatch) {
    let results = batch.parts.into_iter().map(|(job, texts)| {
        let values = texts.iter().map(|text| text.words as f32).collect();
        let words = texts.iter().map(|text| text.words).sum();
        (job, words, Ok(values))
    });
    queue.done(results.collect(), Duration::from_millis(1));
}

fn reply(ticket: &mut Ticket) -> Vec<f32> {
    ticket
        .reply
        .try_recv()
        .expect("no answer yet")
        .unwrap()
        .values
}

#[test]
fn a_request_is_admitted_whole_or_refused_whole() {
    let queue = queue(10, 100);
    let _first = queue.admit(work(&[4, 3])).unwrap();
    let refused = queue.admit(work(&[2, 2])).err();
    assert_eq!(
        refused,
        Some(Refused::Full {
            waiting: 7,
            most: 10
        })
    );
    // No part of it was admitted; a smaller request still fits.
    assert_eq!(queue.waiting(), (1, 7));
    let _second = queue.admit(work(&[3])).unwrap();
    assert_eq!(queue.waiting(), (2, 10));
}

#[test]
fn batches_are_bounded_by_words_and_a_longer_text_is_a_batch_of_its_own() {
    let queue = queue(100, 5);
    let mut ticket = queue.admit(work(&[2, 3, 9, 1, 1])).unwrap();
    let mut taken = Vec::new();
    for _ in 0..3 {
        let batch = queue.batch().unwrap();
        taken.extend(lengths(&batch).into_iter().map(|(_, lengths)| lengths));
        compute(&queue, batch);
    }
    assert_eq!(taken, [vec![2, 3], vec![9], vec![1, 1]]);
    assert_eq!(reply(&mut ticket), [2.0, 3.0, 9.0, 1.0, 1.0]);
    assert_eq!(queue.waiting(), (0, 0));
}

#[test]
fn a_long_request_does_not_delay_short_ones() {
    let queue = queue(1000, 10);
    let _long = queue.admit(work(&[4; 20])).unwrap();
    let mut short = queue.admit(work(&[3])).unwrap();
    let batch = queue.batch().unwrap();
    assert_eq!(lengths(&batch), [(0, vec![4, 4])]);
    compute(&queue, batch);
    let batch = queue.batch().unwrap();
    assert_eq!(lengths(&batch), [(1, vec![3]), (0, vec![4])]);
    compute(&queue, batch);
    assert_eq!(reply(&mut short), [3.0]);
}

#[test]
fn a_batch_holds_one_model_and_output() {
    let queue = queue(100, 100);
    let other = |model, output| RequestWork {
        model,
        output,
        ..work(&[1])
    };
    let _a = queue.admit(other(0, OutputKind::Vectors)).unwrap();
    let _b = queue.admit(other(1, OutputKind::Vectors)).unwrap();
    let _c = queue.admit(other(0, OutputKind::States)).unwrap();
    let _d = queue.admit(other(0, OutputKind::Vectors)).unwrap();
    let jobs = |batch: TextBatch| batch.parts.iter().map(|part| part.0).collect::<Vec<_>>();
    assert_eq!(jobs(queue.batch().unwrap()), [0, 3]);
    assert_eq!(jobs(queue.batch().unwrap()), [1]);
    assert_eq!(jobs(queue.batch().unwrap()), [2]);
}

#[test]
fn batches_are_bounded_by_requests() {
    let queue = Arc::new(Queue::new(Bounds {
        batch_requests: 1,
        ..queue(100, 100).bounds.clone()
    }));
    let _a = queue.admit(work(&[1, 1])).unwrap();
    let _b = queue.admit(work(&[1])).unwrap();
    assert_eq!(lengths(&queue.batch().unwrap()), [(0, vec![1, 1])]);
    assert_eq!(lengths(&queue.batch().unwrap()), [(1, vec![1])]);
}

#[test]
fn an_abandoned_request_is_not_encoded_and_frees_its_words() {
    let queue = queue(10, 5);
    let first = queue.admit(work(&[5, 5])).unwrap();
    let batch = queue.batch().unwrap();
    drop(first);
    assert_eq!(queue.waiting(), (0, 0));
    let mut second = queue.admit(work(&[4, 5])).unwrap();
    // The result of its batch is dropped.
    compute(&queue, batch);
    assert_eq!(queue.waiting(), (1, 9));
    for _ in 0..2 {
        let batch = queue.batch().unwrap();
        compute(&queue, batch);
    }
    assert_eq!(reply(&mut second), [4.0, 5.0]);
}

#[test]
fn a_failed_part_fails_only_its_request() {
    let queue = queue(100, 4);
    let mut bad = queue.admit(work(&[1, 1, 4])).unwrap();
    let mut good = queue.admit(work(&[2])).unwrap();
    let batch = queue.batch().unwrap();
    assert_eq!(lengths(&batch), [(0, vec![1, 1])]);
    queue.done(
        vec![(0, 2, Err("a number that is not finite".into()))],
        Duration::ZERO,
    );
    let problem = bad.reply.try_recv().unwrap().unwrap_err();
    assert_eq!(problem, "a number that is not finite");
    assert_eq!(queue.waiting(), (1, 2));
    let batch = queue.batch().unwrap();
    compute(&queue, batch);
    assert_eq!(reply(&mut good), [2.0]);
}

#[test]
fn a_window_delays_a_batch_only_while_it_has_free_space() {
    let queue = Arc::new(Queue::new(Bounds {
        window: Duration::from_millis(200),
        ..queue(100, 6).bounds.clone()
    }));
    let _a = queue.admit(work(&[2])).unwrap();
    let begin = Instant::now();
    let batch = queue.batch().unwrap();
    assert!(
        begin.elapsed() > Duration::from_millis(100),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(lengths(&batch), [(0, vec![2])]);
    compute(&queue, batch);
    // A full batch does not wait.
    let _b = queue.admit(work(&[6])).unwrap();
    let begin = Instant::now();
    queue.batch().unwrap();
    assert!(
        begin.elapsed() < Duration::from_millis(100),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn an_abandoned_queue_wakes_waiting_requests() {
    let queue = queue(100, 100);
    let mut ticket = queue.admit(work(&[2])).unwrap();
    queue.abandon();
    assert!(ticket.reply.try_recv().is_err());
    drop(ticket);
    assert_eq!(queue.waiting(), (0, 0));
    assert_eq!(queue.admit(work(&[2])).err(), Some(Refused::Closed));
    assert!(queue.batch().is_none());
}

#[test]
fn a_closed_queue_admits_nothing_and_finishes_admitted_requests() {
    let queue = queue(100, 100);
    let mut ticket = queue.admit(work(&[2])).unwrap();
    queue.close();
    assert_eq!(queue.admit(work(&[2])).err(), Some(Refused::Closed));
    let batch = queue.batch().unwrap();
    compute(&queue, batch);
    assert_eq!(reply(&mut ticket), [2.0]);
    assert!(queue.batch().is_none());
}
