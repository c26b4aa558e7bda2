//! Successful checks against the sandbox.

use crate::support::{KEY, client, keys, later, sandbox};
use anyhow::Result;
use pidkey_sandbox::{Control, Mode};
use steadfast_pidkey::{Checked, Error, MAX_KEYS, ProductKey};

/// Returns `count` different keys.
fn many_keys(count: usize) -> Result<Vec<ProductKey>> {
    (0..count).map(|number| Ok(ProductKey::parse(&format!("BCDFG{number:020}"))?)).collect()
}

#[tokio::test]
async fn fifty_keys_take_one_request() -> Result<()> {
    let sandbox = sandbox().await?;
    let keys = many_keys(MAX_KEYS)?;
    let answers = client(&sandbox)?.check(&keys, later()).await?;
    assert_eq!(answers.iter().map(Checked::key).collect::<Vec<_>>(), keys);
    assert_eq!((sandbox.seen().requests, sandbox.seen().keys), (1, 50));
    Ok(())
}

#[tokio::test]
async fn keys_are_sent_with_dashes_and_line_ends() -> Result<()> {
    let sandbox = sandbox().await?;
    client(&sandbox)?.check(&keys()?, later()).await?;
    assert_eq!(
        sandbox.seen().last_query,
        "keys=6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H%0D%0ABHJMN-PQRTV-WXY23-46789-23467&justgetdescription=0\
         &apikey=QW7ERT5YUI3OPL9KJH2GFD4SA"
    );
    Ok(())
}

#[tokio::test]
async fn known_keys_have_all_members() -> Result<()> {
    let sandbox = sandbox().await?;
    let answers = client(&sandbox)?.check(&[ProductKey::parse(KEY)?], later()).await?;
    let [Checked::Known(status)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((status.product.as_str(), status.remaining), ("Windows81_Enterprise_MAK", 2154));
    assert_eq!((status.blocked, status.is_retail, status.invalid), (false, Some(2), Some(false)));
    assert_eq!(status.checked_text.as_deref(), Some("11/27/2025 7:23:31 PM (GMT+7)"));
    assert_eq!(status.checked_at, "2025-11-27T12:23:31Z".parse().ok());
    Ok(())
}

#[tokio::test]
async fn some_keys_are_unknown_or_blocked() -> Result<()> {
    let sandbox = sandbox().await?;
    let client = client(&sandbox)?;
    let (mut unknown, mut blocked) = (0, 0);
    for keys in many_keys(500)?.chunks(MAX_KEYS) {
        for answer in client.check(keys, later()).await? {
            match answer {
                Checked::Known(status) => blocked += usize::from(status.blocked),
                Checked::Unknown { .. } => unknown += 1,
                Checked::Unanswered { .. } => panic!("every key is answered"),
            }
        }
    }
    assert!((5..=30).contains(&unknown), "{unknown} of 500 are unknown");
    assert!((10..=50).contains(&blocked), "{blocked} of 500 are blocked");
    Ok(())
}

#[tokio::test]
async fn duplicate_keys_are_sent_once() -> Result<()> {
    let sandbox = sandbox().await?;
    let key = ProductKey::parse(KEY)?;
    let answers = client(&sandbox)?.check(&[key, key], later()).await?;
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(sandbox.seen().keys, 1);
    Ok(())
}

#[tokio::test]
async fn accepts_single_objects() -> Result<()> {
    let sandbox = sandbox().await?;
    sandbox.control(Control::mode(Mode::SingleObject));
    let answers = client(&sandbox)?.check(&keys()?, later()).await?;
    assert!(matches!(&answers[..], [Checked::Known(_), Checked::Unanswered { .. }]), "{answers:?}");
    Ok(())
}

#[tokio::test]
async fn missing_keys_are_unanswered() -> Result<()> {
    let sandbox = sandbox().await?;
    sandbox.control(Control::mode(Mode::Uneven));
    let answers = client(&sandbox)?.check(&keys()?, later()).await?;
    assert!(matches!(&answers[..], [Checked::Known(_), Checked::Unanswered { .. }]), "{answers:?}");
    Ok(())
}

#[tokio::test]
async fn sends_no_request_for_too_few_or_too_many_keys() -> Result<()> {
    let sandbox = sandbox().await?;
    let client = client(&sandbox)?;
    assert_eq!(client.check(&[], later()).await, Ok(Vec::new()));
    let refused = client.check(&many_keys(MAX_KEYS + 1)?, later()).await;
    assert_eq!(refused, Err(Error::TooManyKeys { given: 51 }));
    assert_eq!(sandbox.seen().requests, 0);
    Ok(())
}
