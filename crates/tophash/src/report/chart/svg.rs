//! A chart as SVG: one file without scripts, light or dark as its reader prefers.

use std::fmt::Write;

use super::Chart;
use crate::report::style::markup;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 56.0;
/// Pixels of a line of the legend.
const LEGEND_LINE: f64 = 20.0;

/// Colours of lines on light and on dark ground, told apart by those who don't see red and green
/// alike (after Okabe and Ito's palette).
const COLOURS: [(&str, &str); 6] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9d4d"),
    ("#009e73", "#2fd6a5"),
    ("#a3478a", "#e39bce"),
    ("#806a00", "#f0e442"),
    ("#444444", "#bbbbbb"),
];

/// Draws a chart.
pub(crate) fn svg(chart: &Chart) -> String {
    let [x_range, y_range] = chart.ranges();
    let legend = LEGEND_LINE * chart.series.len() as f64;
    let (inner_width, inner_height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x_at = |value: f64| LEFT + chart.x.place(value, x_range).clamp(0.0, 1.0) * inner_width;
    let y_at =
        |value: f64| TOP + (1.0 - chart.y.place(value, y_range).clamp(0.0, 1.0)) * inner_height;
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}\">\n{}",
        markup(&chart.title),
        style(chart.series.len())
    );
    out.push_str("<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n");
    text(&mut out, "title", LEFT, 28.0, "start", &chart.title);
    for tick in chart.x.ticks(x_range, 9) {
        let x = x_at(tick);
        line(&mut out, (x, TOP), (x, bottom));
        text(&mut out, "tick", x, bottom + 18.0, "middle", &chart.x.spell(tick));
    }
    for tick in chart.y.ticks(y_range, 9) {
        let y = y_at(tick);
        line(&mut out, (LEFT, y), (right, y));
        text(&mut out, "tick", LEFT - 8.0, y + 4.0, "end", &chart.y.spell(tick));
    }
    push(&mut out, format_args!("<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\n"));
    text(&mut out, "label", LEFT + inner_width / 2.0, HEIGHT - 14.0, "middle", &chart.x.label);
    push(
        &mut out,
        format_args!(
            "<text class=\"label\" transform=\"translate(18 {:.1}) rotate(-90)\" \
             text-anchor=\"middle\">{}</text>\n",
            TOP + inner_height / 2.0,
            markup(&chart.y.label)
        ),
    );
    for (index, series) in chart.series.iter().enumerate() {
        let is_shown = |point: &&(f64, f64)| point.0.is_finite() && point.1.is_finite();
        let points: Vec<String> = series
            .points
            .iter()
            .filter(is_shown)
            .map(|&(x, y)| format!("{:.1},{:.1}", x_at(x), y_at(y)))
            .collect();
        push(
            &mut out,
            format_args!(
                "<polyline class=\"line s{index}\" points=\"{}\"><title>{}</title></polyline>\n",
                points.join(" "),
                markup(&series.name)
            ),
        );
    }
    let (box_x, box_y) = (LEFT + 14.0, TOP + 12.0);
    let longest = chart.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0);
    push(
        &mut out,
        format_args!(
            "<rect class=\"legend\" x=\"{box_x}\" y=\"{box_y}\" width=\"{:.0}\" height=\"{:.0}\" \
             rx=\"4\"/>\n",
            58.0 + 7.2 * longest as f64,
            legend + 10.0
        ),
    );
    for (index, series) in chart.series.iter().enumerate() {
        let y = box_y + LEGEND_LINE * (index as f64 + 0.75);
        push(
            &mut out,
            format_args!("<path class=\"line s{index}\" d=\"M{} {y}h26\"/>\n", box_x + 10.0),
        );
        text(&mut out, "name", box_x + 44.0, y + 4.0, "start", &series.name);
    }
    out.push_str("</svg>\n");
    out
}

fn style(series: usize) -> String {
    let colours = |dark: bool| -> String {
        (0..series)
            .map(|index| {
                let (light, night) = COLOURS[index % COLOURS.len()];
                format!(".s{index}{{stroke:{}}}", if dark { night } else { light })
            })
            .collect()
    };
    format!(
        "<style>\n\
         text{{font:13px system-ui,sans-serif;fill:#333}}\n\
         .title{{font-size:16px;font-weight:600;fill:#111}}.tick{{font-size:12px;fill:#666}}\n\
         .ground{{fill:#fff}}.legend{{fill:#fff;fill-opacity:.85;stroke:#ddd}}\n\
         .grid{{stroke:#e6e6e6}}.axis{{stroke:#888;fill:none}}\n\
         .line{{fill:none;stroke-width:2;stroke-linejoin:round}}\n{}\n\
         @media(prefers-color-scheme:dark){{\n\
         text{{fill:#ccc}}.title{{fill:#eee}}.tick{{fill:#999}}\n\
         .ground{{fill:#16181d}}.legend{{fill:#16181d;stroke:#3a3f47}}\n\
         .grid{{stroke:#2a2e35}}.axis{{stroke:#777}}\n{}\n}}\n</style>\n",
        colours(false),
        colours(true)
    )
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    push(
        out,
        format_args!(
            "<path class=\"grid\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>\n",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn text(out: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) {
    let words = markup(words);
    push(
        out,
        format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n"
        ),
    );
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_well_formed_and_names_its_axes_and_lines() {
        let text = svg(&super::super::sample());
        assert!(text.contains("map[string]int &lt;1&gt;"), "{text}");
        assert_eq!(text.matches("<polyline").count(), 2);
        assert_eq!(text.matches('<').count(), text.matches('>').count());
        for part in ["entries", "bytes retained", "1.24 to 1.27", "prefers-color-scheme:dark"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }

    #[test]
    fn points_that_are_none_are_left_out() {
        let mut chart = super::super::sample();
        chart.series[0].points.push((f64::NAN, f64::INFINITY));
        assert!(!svg(&chart).contains("NaN"));
        chart.series.clear();
        assert!(svg(&chart).ends_with("</svg>\n"));
    }
}
