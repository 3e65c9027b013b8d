//! The name of a function as an operator writes it.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::ensure;

use crate::aws::Place;
use crate::aws::user_pool::UserPool;
use crate::error::Problem;

/// A function, or a version or alias of it: `NAME`, `NAME:ALIAS`, or the ARN of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionName {
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
    /// Where the ARN says that it lies.
    place: Option<Place>,
}

impl FunctionName {
    /// Its ARN as the pool names it: in the account and region of the pool, unless it was given with others.
    pub(crate) fn arn(&self, pool: &UserPool) -> anyhow::Result<String> {
        let Place { account, region } = self.place.clone().map_or_else(|| pool.place(), Ok)?;
        let partition = pool.arn.split(':').nth(1).unwrap_or_default();
        Ok(format!("arn:{partition}:lambda:{region}:{account}:function:{self}"))
    }

    /// Fails if it lies in another region or account than the pool: Cognito calls functions of its own region only, and
    /// this program allows it only what the operator's own account has.
    pub(crate) fn ensure_beside(&self, pool: &UserPool) -> anyhow::Result<()> {
        let (Some(place), here) = (&self.place, pool.place()?) else { return Ok(()) };
        ensure!(
            *place == here,
            Problem::new(
                format!("the function {self} lies in {place}, and the user pool {} in {here}", pool.id),
                "name a function of the pool's account and region with --function, or deploy it there"
            )
        );
        Ok(())
    }

    /// Fails if its ARN is of another region than requests go to: there may be a function of the same name here.
    pub(crate) fn ensure_in(&self, region: Option<&str>) -> anyhow::Result<()> {
        let Some(place) = self.place.as_ref().filter(|place| region.is_some_and(|region| place.region != region))
        else {
            return Ok(());
        };
        let problem =
            format!("the function {self} lies in {}, and requests go to {}", place.region, region.unwrap_or_default());
        Err(Problem::new(problem, "choose its region with --region").into())
    }

    /// What a request names it by, besides the qualifier: with its account, if the ARN has one, because there may be a
    /// function of the same name in the account of these credentials.
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html#API_InvokeWithResponseStream_RequestParameters>
    pub(crate) fn identifier(&self) -> String {
        let Self { name, place, .. } = self;
        place.as_ref().map_or_else(|| name.clone(), |place| format!("{}:function:{name}", place.account))
    }

    /// The log group of a function whose configuration names no other.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html>
    pub(crate) fn default_log_group(&self) -> String {
        format!("/aws/lambda/{}", self.name)
    }

    /// Whether this ARN is the function's, or one of a version or alias of it, unless another is meant.
    pub(crate) fn is_called_by(&self, arn: &str) -> bool {
        arn.parse::<Self>().is_ok_and(|called| {
            called.name == self.name && (self.qualifier.is_none() || self.qualifier == called.qualifier)
        })
    }

    /// Whether it is a version, whose code never changes.
    pub(crate) fn is_version(&self) -> bool {
        self.qualifier.as_ref().is_some_and(|qualifier| qualifier.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

impl Display for FunctionName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.qualifier.as_ref().map_or(Ok(()), |qualifier| write!(f, ":{qualifier}"))
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>
impl FromStr for FunctionName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected the name of a function, NAME:ALIAS, or its ARN";
        let (place, rest) = if text.starts_with("arn:") {
            let (_, rest) = text.split_once(":function:").ok_or(EXPECTED)?;
            let is_lambda = text.split(':').nth(2) == Some("lambda");
            (Some(Place::of_arn(text).filter(|_| is_lambda).ok_or(EXPECTED)?), rest)
        } else {
            (None, text)
        };
        let (name, qualifier) = rest.split_once(':').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        let is_word = |word: &str| {
            (1..=140).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if qualifier == Some("$LATEST") {
            return Err("leave `:$LATEST` out: without a version or alias, the latest code is called");
        }
        if !is_word(name) || !qualifier.is_none_or(is_word) {
            return Err(EXPECTED);
        }
        Ok(Self { name: name.to_owned(), qualifier: qualifier.map(str::to_owned), place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_an_alias_and_an_arn_are_read() {
        let read = |text: &str| text.parse::<FunctionName>().map(|name| (name.to_string(), name.place.is_some()));
        assert_eq!(read("post-confirmation"), Ok(("post-confirmation".to_owned(), false)));
        assert_eq!(read("post-confirmation:live"), Ok(("post-confirmation:live".to_owned(), false)));
        let arn = "arn:aws-cn:lambda:cn-north-1:123456789012:function:post-confirmation:7";
        assert_eq!(read(arn), Ok(("post-confirmation:7".to_owned(), true)));
        assert!(arn.parse::<FunctionName>().is_ok_and(|name| name.is_version()));
        assert!(
            arn.parse::<FunctionName>().is_ok_and(|it| it.identifier() == "123456789012:function:post-confirmation")
        );
        assert!(
            "post-confirmation:live".parse::<FunctionName>().is_ok_and(|it| it.identifier() == "post-confirmation")
        );
        assert!("post-confirmation".parse::<FunctionName>().is_ok_and(|name| name.is_called_by(arn)));
        assert!("post-confirmation:live".parse::<FunctionName>().is_ok_and(|name| !name.is_called_by(arn)));
        for wrong in
            ["", "a b", "a:", "a:b:c", "arn:aws:lambda:eu-central-1:1:layer:x", "arn:aws:s3:::function:x", "a:$LATEST"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
