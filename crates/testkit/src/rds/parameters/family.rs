//! The parameters of a family, with their defaults: a part of what RDS has, over two pages of answers.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html>

use crate::rds::answer::{Refusal, Xml};

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub(in crate::rds) struct Definition {
    pub(super) name: &'static str,
    /// `dynamic`, `static` or `fixed`, which cannot be changed.
    kind: &'static str,
    data: &'static str,
    /// Separated by commas, or a range; anything if empty.
    allowed: &'static str,
    /// The value where it is not set; none if empty.
    pub(super) default: &'static str,
    /// The source of the default: `engine-default`, or `system` where RDS chooses it.
    pub(super) source: &'static str,
}

/// A row: name, kind, data type, allowed values, default, source.
type Row = [&'static str; 6];

const ROWS: &[Row] = &[
    ["application_name", "dynamic", "string", "", "", "engine-default"],
    ["array_nulls", "dynamic", "boolean", "0,1", "", "engine-default"],
    ["authentication_timeout", "dynamic", "integer", "1-600", "", "engine-default"],
    ["auto_explain.log_min_duration", "dynamic", "integer", "-1-2147483647", "", "engine-default"],
    ["autovacuum", "dynamic", "boolean", "0,1", "", "engine-default"],
    [
        "autovacuum_max_workers",
        "static",
        "integer",
        "1-262143",
        "GREATEST({DBInstanceClassMemory/64371566592},3)",
        "system",
    ],
    ["autovacuum_naptime", "dynamic", "integer", "1-2147483", "15", "system"],
    ["autovacuum_vacuum_scale_factor", "dynamic", "float", "", "0.1", "system"],
    ["checkpoint_timeout", "dynamic", "integer", "30-86400", "", "engine-default"],
    ["client_encoding", "dynamic", "string", "", "UTF8", "engine-default"],
    ["client_min_messages", "dynamic", "string", "", "notice", "engine-default"],
    ["data_directory", "fixed", "string", "", "/rdsdbdata/db", "system"],
    ["deadlock_timeout", "dynamic", "integer", "1-2147483647", "", "engine-default"],
    ["default_statistics_target", "dynamic", "integer", "1-10000", "", "engine-default"],
    ["effective_cache_size", "dynamic", "integer", "1-2147483647", "{DBInstanceClassMemory/16384}", "system"],
    ["hot_standby_feedback", "dynamic", "boolean", "0,1", "0", "system"],
    ["huge_pages", "static", "string", "try,on,off", "try", "system"],
    ["idle_in_transaction_session_timeout", "dynamic", "integer", "0-2147483647", "86400000", "system"],
    ["jit", "dynamic", "boolean", "0,1", "", "engine-default"],
    ["lc_messages", "dynamic", "string", "", "", "engine-default"],
    ["listen_addresses", "fixed", "string", "", "*", "system"],
    ["lock_timeout", "dynamic", "integer", "0-2147483647", "", "engine-default"],
    ["log_autovacuum_min_duration", "dynamic", "integer", "-1-2147483647", "10000", "system"],
    ["log_connections", "dynamic", "boolean", "0,1", "", "engine-default"],
    ["log_disconnections", "dynamic", "boolean", "0,1", "", "engine-default"],
    ["log_lock_waits", "dynamic", "boolean", "0,1", "", "engine-default"],
    ["log_min_duration_statement", "dynamic", "integer", "-1-2147483647", "", "engine-default"],
    ["log_min_messages", "dynamic", "string", "", "warning", "engine-default"],
    ["log_statement", "dynamic", "string", "none,ddl,mod,all", "none", "engine-default"],
    ["log_temp_files", "dynamic", "integer", "-1-2147483647", "", "engine-default"],
    [
        "maintenance_work_mem",
        "dynamic",
        "integer",
        "1024-2147483647",
        "GREATEST({DBInstanceClassMemory*1024/63963136},65536)",
        "system",
    ],
    ["max_connections", "static", "integer", "6-262143", "LEAST({DBInstanceClassMemory/9531392},5000)", "system"],
    ["max_locks_per_transaction", "static", "integer", "10-2147483647", "64", "engine-default"],
    ["max_parallel_workers", "dynamic", "integer", "0-1024", "GREATEST({DBInstanceVCPU/2},8)", "system"],
    ["max_replication_slots", "static", "integer", "5-8388607", "20", "system"],
    ["max_wal_senders", "static", "integer", "5-8388607", "20", "system"],
    ["max_wal_size", "dynamic", "integer", "128-201326592", "2048", "system"],
    ["max_worker_processes", "static", "integer", "1-262143", "GREATEST({DBInstanceVCPU/2},8)", "system"],
    ["password_encryption", "dynamic", "string", "md5,scram-sha-256", "scram-sha-256", "system"],
    ["pg_stat_statements.track", "dynamic", "string", "none,top,all", "top", "system"],
    ["random_page_cost", "dynamic", "float", "", "", "engine-default"],
    ["rds.accepted_password_auth_method", "dynamic", "string", "md5+scram,scram", "md5+scram", "system"],
    ["rds.extensions", "fixed", "string", "", "address_standardizer, pg_stat_statements", "system"],
    ["rds.force_ssl", "dynamic", "boolean", "0,1", "1", "system"],
    ["rds.log_retention_period", "dynamic", "integer", "1440-10080", "4320", "system"],
    ["rds.logical_replication", "static", "boolean", "0,1", "0", "system"],
    ["rds.restrict_password_commands", "static", "boolean", "0,1", "0", "system"],
    ["search_path", "dynamic", "string", "", "\"$user\",public", "engine-default"],
    ["session_replication_role", "dynamic", "string", "", "", "engine-default"],
    ["shared_buffers", "static", "integer", "16-1073741823", "{DBInstanceClassMemory/32768}", "system"],
    ["shared_preload_libraries", "static", "list", "", "pg_stat_statements", "system"],
    ["ssl", "fixed", "boolean", "0,1", "1", "system"],
    ["ssl_min_protocol_version", "dynamic", "string", "TLSv1,TLSv1.1,TLSv1.2,TLSv1.3", "TLSv1.2", "engine-default"],
    ["statement_timeout", "dynamic", "integer", "0-2147483647", "", "engine-default"],
    ["superuser_reserved_connections", "fixed", "integer", "", "3", "system"],
    ["synchronous_commit", "dynamic", "string", "local,on,off", "on", "system"],
    ["temp_buffers", "dynamic", "integer", "100-1073741823", "", "engine-default"],
    ["timezone", "dynamic", "string", "", "UTC", "system"],
    ["track_activity_query_size", "static", "integer", "100-1048576", "4096", "system"],
    ["track_io_timing", "dynamic", "boolean", "0,1", "1", "system"],
    ["wal_buffers", "static", "integer", "", "", "engine-default"],
    ["work_mem", "dynamic", "integer", "64-2147483647", "", "engine-default"],
];

/// The parameters of a family, such as `postgres17`.
pub(super) fn of(family: &str) -> impl Iterator<Item = Definition> {
    let major: u32 = family.trim_start_matches("postgres").parse().unwrap_or(0);
    ROWS.iter().map(move |[name, kind, data, allowed, default, source]| {
        let default = match *name {
            // TLS is forced from 15 on: https://github.com/awsdocs/amazon-rds-user-guide/issues/191
            "rds.force_ssl" if major < 15 => "0",
            "password_encryption" if major < 14 => "md5",
            _ => default,
        };
        Definition { name, kind, data, allowed, default, source }
    })
}

impl Definition {
    /// The parameter of this name, if it can have this value; an empty one stands for any.
    pub(super) fn find(family: &str, name: &str, value: &str) -> Result<Self, Refusal> {
        let found = of(family).find(|definition| definition.name == name);
        let found = found.ok_or_else(|| Refusal::value(format!("Could not find parameter with name: {name}")))?;
        if found.kind == "fixed" {
            return Err(Refusal::value(format!("The parameter {name} cannot be modified.")));
        }
        if !value.is_empty() && !found.allows(value) {
            let message = format!("Invalid parameter value: {value} for: {name} allowed values are: {}", found.allowed);
            return Err(Refusal::value(message));
        }
        Ok(found)
    }

    pub(super) fn is_static(&self) -> bool {
        self.kind == "static"
    }

    fn allows(&self, value: &str) -> bool {
        let is_formula = value.contains(['{', '(']);
        match self.data {
            _ if self.allowed.is_empty() || is_formula => true,
            "integer" => {
                let (least, most) = self.allowed.rsplit_once('-').unwrap_or_default();
                let number: Option<i64> = value.parse().ok();
                number.is_some_and(|n| {
                    least.parse().is_ok_and(|l: i64| l <= n) && most.parse().is_ok_and(|m: i64| n <= m)
                })
            }
            _ => self.allowed.split(',').any(|allowed| allowed == value),
        }
    }

    pub(super) fn view(&self, user: Option<&String>, source: &str) -> Xml {
        let value = user.map_or(self.default, String::as_str);
        Xml::default()
            .text("ParameterName", self.name)
            .optional("ParameterValue", Some(value).filter(|value| !value.is_empty()))
            .text("Source", source)
            .text("ApplyType", if self.kind == "dynamic" { "dynamic" } else { "static" })
            .text("DataType", self.data)
            .optional("AllowedValues", Some(self.allowed).filter(|allowed| !allowed.is_empty()))
            .text("IsModifiable", self.kind != "fixed")
            .text("ApplyMethod", "pending-reboot")
    }
}
