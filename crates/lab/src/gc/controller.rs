//! The proportional-integral controller of Go 1.19's pacer (`piController`,
//! `runtime/mgcpacer.go`).

const PROPORTIONAL: f64 = 0.9;
const INTEGRAL_TIME: f64 = 4.0;
const RESET_TIME: f64 = 1000.0;
const BOUND: f64 = 1000.0;

#[derive(Debug, Clone)]
pub(crate) struct Controller {
    integral: f64,
}

impl Controller {
    pub(crate) fn new() -> Self {
        Self { integral: 0.0 }
    }

    /// Returns the next output for an input that should become `aim`; nothing, and a reset, where
    /// numbers go out of hand.
    pub(crate) fn next(&mut self, input: f64, aim: f64) -> Option<f64> {
        let error = aim - input;
        let raw = PROPORTIONAL * error + self.integral;
        if !raw.is_finite() {
            self.integral = 0.0;
            return None;
        }
        let output = raw.clamp(-BOUND, BOUND);
        self.integral += PROPORTIONAL / INTEGRAL_TIME * error + (output - raw) / RESET_TIME;
        if !self.integral.is_finite() {
            self.integral = 0.0;
            return None;
        }
        Some(output)
    }
}
