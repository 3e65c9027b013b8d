//! The database of the operator's function.

use std::ffi::OsString;

use anyhow::ensure;
use db::{Login, Settings};

use super::Target;
use crate::aws::Aws;
use crate::declaration::Declaration;
use crate::error::Problem;

impl Target {
    /// The database that the operator's function has in its environment, as its master user.
    pub(crate) async fn of_operator(
        aws: &Aws,
        declaration: Option<&Declaration>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Self> {
        let settings = Settings::from_variables(|name| match name {
            "AWS_REGION" => aws.region().map(OsString::from),
            "CONNECTION_URL" | "DB_AUTH" | "PGUSER" => None,
            _ => variable(name),
        })?;
        let target = Self::with(settings.with_aws(aws.config())).await?;
        let Login { dbname, port, .. } = &target.login;
        let endpoint_port = Some(*port);
        let Some(declaration) = declaration else { return Ok(Self { endpoint_port, ..target }) };
        let (identifier, database) = (&declaration.identifier, &declaration.database);
        // Behind a proxy or another name, nothing tells the instance.
        let instance = target.instance.as_ref().unwrap_or(identifier);
        ensure!(
            instance == identifier && dbname == database,
            Problem::new(
                format!(
                    "the operator's function works on {dbname} on {instance}, and {database} on {identifier} is declared"
                ),
                "name the function of the declared DB instance with --operator, or the other declaration with --config"
            )
        );
        Ok(Self { instance: Some(identifier.clone()), endpoint_port, ..target })
    }
}
