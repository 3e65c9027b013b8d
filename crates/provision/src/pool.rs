//! Which user pool a command works on.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

use clap::Args;

use crate::cli::Context;
use crate::error::Problem;

/// The variable that names the pool where --pool does not.
const VARIABLE: &str = "USER_POOL_ID";

/// The user pool.
#[derive(Debug, Args)]
pub(crate) struct PoolArgs {
    /// Id of the user pool, such as eu-central-1_AbCdEfGhI; without it, the one in USER_POOL_ID
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    pool: Option<String>,
}

impl PoolArgs {
    /// The id of the pool.
    pub(crate) fn id(&self, context: &Context) -> anyhow::Result<String> {
        if let Some(id) = &self.pool {
            return Ok(id.clone());
        }
        let unnamed = || Problem::new("no user pool is named", format!("add --pool with its id, or set {VARIABLE}"));
        let id = context.variable(VARIABLE)?.ok_or_else(unnamed)?;
        let wrong =
            |problem| Problem::new(format!("{VARIABLE}: {problem}"), "correct it, or name the pool with --pool");
        Ok(parse_id(id.trim()).map_err(wrong)?)
    }
}

/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_DescribeUserPool.html>
fn parse_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.split_once('_').is_some_and(|(region, id)| {
        let is_word = |word: &str, also: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
        };
        text.len() <= 55 && is_word(region, "-") && is_word(id, "")
    });
    if is_id { Ok(text.to_owned()) } else { Err("expected the id of a user pool, such as eu-central-1_AbCdEfGhI") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_an_id_is_sent_to_aws() {
        for (text, expected) in [
            ("eu-central-1_AbCdEfGhI", true),
            ("us-gov-west-1_1", true),
            ("eu-central-1", false),
            ("_AbC", false),
            ("eu-central-1_", false),
            ("eu-central-1_Ab/C", false),
            ("arn:aws:cognito-idp:eu-central-1:1:userpool/eu-central-1_AbC", false),
        ] {
            assert_eq!(parse_id(text).is_ok(), expected, "{text}");
        }
        assert!(parse_id(&format!("eu-central-1_{}", "a".repeat(43))).is_err(), "longer than AWS allows");
    }
}
