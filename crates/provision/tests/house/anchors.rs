//! The parts of a document that a link can lead to.

/// The anchors of a document's headings, as GitHub makes them.
pub(crate) fn anchors(document: &str) -> Vec<String> {
    let mut is_code = false;
    let is_text = |line: &&str| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code
    };
    let headings = document.lines().filter(is_text).filter(|line| line.starts_with('#'));
    let mut found: Vec<String> = Vec::new();
    for heading in headings {
        let anchor = anchor(heading.trim_start_matches('#').trim());
        let same = found.iter().filter(|other| **other == anchor).count();
        found.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }
    found
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The links with an anchor, but for addresses: the file, which is empty for the document itself, and the anchor.
pub(crate) fn anchored_links(document: &str) -> Vec<(&str, &str)> {
    let targets = document.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains(':')).filter_map(|target| target.split_once('#')).collect()
}

#[test]
fn an_anchor_is_the_heading_in_lower_case_without_signs() {
    let document = "# A B\n```sh\n# no heading\n```\n## What `db grant` checks\n## The function's role: x\n## A B\n";
    assert_eq!(anchors(document), ["a-b", "what-db-grant-checks", "the-functions-role-x", "a-b-1"]);
}
