//! The names that PostgreSQL and RDS keep for themselves.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>: `DBName` and `MasterUsername`
//! "can't be a word reserved by the database engine".

use serde::{Deserializer, de};

use super::values;

/// The reserved words of PostgreSQL 13 to 18: `catcode` R of `pg_get_keywords()`.
/// <https://www.postgresql.org/docs/current/sql-keywords-appendix.html>
const WORDS: &str = "all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create \
                     current_catalog current_date current_role current_time current_timestamp current_user default deferrable \
                     desc distinct do else end except false fetch for foreign from grant group having in initially intersect \
                     into lateral leading limit localtime localtimestamp not null offset on only or order placing primary \
                     references returning select session_user some symmetric system_user table then to trailing true union \
                     unique user using variadic when where window with";

/// The databases that every DB instance has, but for `postgres`, which RDS lets be named.
const DATABASES: [&str; 3] = ["rdsadmin", "template0", "template1"];

/// What RDS refuses as a master user, and what PostgreSQL takes for no role's name.
const USERS: [&str; 5] = ["admin", "none", "public", "rdsadmin", "rdsrepladmin"];

/// The beginnings of the roles of PostgreSQL and of RDS, such as `pg_monitor` and `rds_superuser`.
const PREFIXES: [&str; 2] = ["pg_", "rds_"];

/// The name of a database that can be created with the DB instance.
pub(super) fn database<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    free(values::name(deserializer)?, |name| DATABASES.contains(&name))
}

/// The name of a master user.
pub(super) fn master_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let is_reserved = |name: &str| USERS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    free(values::name(deserializer)?, is_reserved)
}

fn free<E: de::Error>(name: String, is_reserved: impl Fn(&str) -> bool) -> Result<String, E> {
    let lower = name.to_ascii_lowercase();
    if is_reserved(&lower) || WORDS.split(' ').any(|word| word == lower) {
        return Err(E::custom(format!("{name:?} is reserved by PostgreSQL or RDS; choose another name")));
    }
    Ok(name)
}
