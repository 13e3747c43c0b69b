//! Charts of lines: series in, text out, for a terminal or as SVG.

mod axis;
mod svg;
mod terminal;

pub(crate) use axis::{Axis, Scale, Unit};
pub(crate) use svg::svg;
pub(crate) use terminal::terminal;

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// From left to right; what is not finite is left out.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines over one pair of axes.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
}

impl Chart {
    /// The ranges of both axes, as far as the points reach.
    fn ranges(&self) -> [(f64, f64); 2] {
        let points = || self.series.iter().flat_map(|series| &series.points);
        [self.x.range(points().map(|point| point.0)), self.y.range(points().map(|point| point.1))]
    }
}

/// The points of a chart that tests draw.
#[cfg(test)]
fn sample() -> Chart {
    let line = |name: &str, by: f64| Series {
        name: name.to_owned(),
        points: (0..=60).map(|i| 10_f64.powf(f64::from(i) / 10.0)).map(|x| (x, by * x)).collect(),
    };
    Chart {
        title: "map[string]int <1>".to_owned(),
        x: Axis { label: "entries".to_owned(), unit: Unit::Count, scale: Scale::Log },
        y: Axis { label: "bytes retained".to_owned(), unit: Unit::Bytes, scale: Scale::Log },
        series: vec![line("1.19, 1.23", 48.0), line("1.24 to 1.27", 38.0)],
    }
}
