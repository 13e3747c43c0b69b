//! What is said when a breaker opens or closes.

use std::fmt;
use std::sync::Arc;

use crate::breaker::BreakerState;

/// A breaker has opened, or closed again.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
/// use tophash_safemap::{Breaker, ManualClock, SafeMap, Schema, Type};
///
/// let clock = Arc::new(ManualClock::new());
/// let alerts = Arc::new(Mutex::new(Vec::new()));
/// let (inbox, schema) = (alerts.clone(), Schema::builder().key("version", Type::integer()));
/// let map = SafeMap::builder(schema.build()?)
///     .name("config")
///     .clock(clock.clone())
///     .breaker(Breaker::default())
///     .on_alert(move |alert| inbox.lock().unwrap().push(alert.to_string()))
///     .build();
/// for _ in 0..60 {
///     let _ = map.set("version", 7);
///     let _ = map.set("version", "7");
///     clock.advance(Duration::from_millis(100));
/// }
/// assert_eq!(
///     alerts.lock().unwrap()[0],
///     "SafeMap@config is read-only: 50.0 % of writes failed. \"version\" was written 51 times as \
///      integer and came 51 times as string: writers disagree about its type; let all write \
///      integer, or change the schema"
/// );
/// # Ok::<(), tophash_safemap::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Alert {
    /// The map's name.
    pub map: String,
    /// What the breaker lets through now.
    pub state: BreakerState,
    /// The share of writes that failed lately, from 0 to 1.
    pub failure_rate: f64,
    /// The probable cause; empty when it has closed.
    pub hint: String,
}

impl fmt::Display for Alert {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            BreakerState::Open => write!(
                out,
                "SafeMap@{} is read-only: {:.1} % of writes failed. {}",
                self.map,
                100.0 * self.failure_rate,
                self.hint
            ),
            _ => write!(out, "SafeMap@{} takes writes again", self.map),
        }
    }
}

#[cfg(feature = "json")]
impl Alert {
    /// The body to send to a webhook of Slack's, or of one that speaks its format.
    ///
    /// Key names stand in it as they came, with what Slack would take for markup made harmless.
    pub fn to_slack(&self) -> String {
        let text = self.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        serde_json::json!({ "text": text }).to_string()
    }
}

/// Who is told of alerts.
#[derive(Clone)]
pub(crate) struct Listener(pub(crate) Arc<dyn Fn(&Alert) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Listener")
    }
}

#[cfg(all(test, feature = "json"))]
mod tests {
    use super::*;

    #[test]
    fn the_webhook_s_body_is_json_without_markup_of_others() {
        let alert = Alert {
            map: "m".to_owned(),
            state: BreakerState::Open,
            failure_rate: 0.5,
            hint: "\"<!channel>\" & co".to_owned(),
        };
        assert_eq!(
            alert.to_slack(),
            r#"{"text":"SafeMap@m is read-only: 50.0 % of writes failed. \"&lt;!channel&gt;\" &amp; co"}"#
        );
    }
}
