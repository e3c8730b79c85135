//! What it costs to ask a ledger that has grown.

use yinyom_tests::sizes::{Question, Reader};

use super::Asks;

impl Asks for Reader {
    type Question = Question;

    const ALL: &'static [Question] = &Question::ALL;

    fn bar(question: Question) -> f64 {
        question.bar()
    }

    async fn ask(&mut self, question: Question) {
        Self::ask(self, question).await;
    }
}
