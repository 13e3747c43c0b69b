//! What is said when a breaker opens or closes.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// What [`SafeMapBuilder::on_alert`](crate::SafeMapBuilder::on_alert) takes to make events of alerts:
/// an error when the breaker opens, a note when it closes, of the target `safemap`, with the fields
/// `map`, `failure_rate` and `hint`.
///
/// ```
/// use tophash_safemap::{Breaker, SafeMap, Schema, trace_alerts};
///
/// let map = SafeMap::builder(Schema::open())
///     .breaker(Breaker::default())
///     .on_alert(trace_alerts())
///     .build();
/// ```
#[cfg(feature = "tracing")]
pub fn trace_alerts() -> impl Fn(&Alert) + Send + Sync + 'static {
    |alert| {
        let (map, failure_rate, hint) = (&*alert.map, alert.failure_rate, &*alert.hint);
        match alert.state {
            BreakerState::Open => {
                tracing::error!(target: "safemap", map, failure_rate, hint, "read-only");
            }
            _ => tracing::info!(target: "safemap", map, failure_rate, hint, "takes writes again"),
        }
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

/// Tells all of an alert, in their order; it is made only where somebody listens. The write that the
/// alert comes of was done or refused, whatever a listener does: if one panics, that ends there.
pub(crate) fn tell(listeners: &[Listener], alert: impl FnOnce() -> Alert) {
    if listeners.is_empty() {
        return;
    }
    let alert = alert();
    for Listener(listener) in listeners {
        let _ = catch_unwind(AssertUnwindSafe(|| listener(&alert)));
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

#[cfg(all(test, feature = "tracing"))]
mod tracing_tests {
    use std::fmt::Write;
    use std::sync::Mutex;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            // Writing to a string can't fail.
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut line =
                Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
            event.record(&mut line);
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.0);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn opening_is_an_error_and_closing_a_note() {
        let lines = Lines::default();
        let tell = trace_alerts();
        let alert = |state, hint: &str| Alert {
            map: "m".to_owned(),
            state,
            failure_rate: 0.5,
            hint: hint.to_owned(),
        };
        tracing::subscriber::with_default(lines.clone(), || {
            tell(&alert(BreakerState::Open, "why"));
            tell(&alert(BreakerState::Closed, ""));
        });
        assert_eq!(
            *lines.0.lock().unwrap(),
            [
                r#"ERROR safemap message=read-only map="m" failure_rate=0.5 hint="why""#,
                r#"INFO safemap message=takes writes again map="m" failure_rate=0.5 hint="""#,
            ]
        );
    }
}
