//! The tags of RDS resources.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;

use super::{Aws, Explain};
use crate::declaration::Declaration;

/// Adds the tags, or replaces their values, and removes the ones without a value.
pub(crate) async fn change_tags(aws: &Aws, arn: &str, tags: &BTreeMap<String, Option<String>>) -> anyhow::Result<()> {
    let added = tags.iter().filter_map(|(key, value)| Some(tag(key, value.as_ref()?)));
    let added: Vec<Tag> = added.collect();
    if !added.is_empty() {
        let request = aws.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(added));
        request.send().await.explain("rds:AddTagsToResource")?;
    }
    let removed: Vec<String> = tags.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.clone()).collect();
    if !removed.is_empty() {
        let request = aws.rds.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(removed));
        request.send().await.explain("rds:RemoveTagsFromResource")?;
    }
    Ok(())
}

/// The tags of the resource.
pub(super) async fn list_tags(aws: &Aws, arn: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let answer = aws.rds.list_tags_for_resource().resource_name(arn).send().await;
    Ok(read_tags(answer.explain("rds:ListTagsForResource")?.tag_list()))
}

pub(crate) fn read_tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()))).collect()
}

/// The declared tags, for a request that creates something.
pub(super) fn sdk_tags(declaration: &Declaration) -> Option<Vec<Tag>> {
    let tags = declaration.tags.as_ref()?.iter().map(|(key, value)| tag(key, value));
    Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty())
}

pub(super) fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}
