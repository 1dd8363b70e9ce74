//! Curves as an SVG picture, with nothing but text and lines.

use std::fmt::Write as _;

/// A named curve: points as (x, y), both shares.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

const SIDE: f64 = 420.0;
const MARGIN: f64 = 60.0;
const COLOURS: [&str; 3] = ["#9a9a9a", "#1f6feb", "#d9730d"];

/// The picture: shares from 0 to 1 on both axes.
pub(super) fn svg(x_axis: &str, y_axis: &str, curves: &[Curve]) -> String {
    let whole = SIDE + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{whole}\" height=\"{whole}\" fill=\"white\"/>\n"
    );
    let mut draw = |piece: String| {
        out.push_str(&piece);
        out.push('\n');
    };
    for step in 0..=5 {
        let share = f64::from(step) / 5.0;
        let (x, y) = place(share, share);
        let (left, top) = place(0.0, 1.0);
        let (right, bottom) = place(1.0, 0.0);
        draw(format!("<path d=\"M{x:.1} {top:.1}V{bottom:.1}M{left:.1} {y:.1}H{right:.1}\" stroke=\"#e5e5e5\"/>"));
        draw(format!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} %</text>",
            bottom + 18.0,
            share * 100.0
        ));
        draw(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>",
            left - 6.0,
            y + 4.0,
            share * 100.0
        ));
    }
    let middle = whole / 2.0;
    draw(format!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{x_axis}</text>", whole - 16.0));
    draw(format!(
        "<text x=\"16\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {middle})\">{y_axis}</text>"
    ));
    for (nth, curve) in curves.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let path = curve.points.iter().enumerate().fold(String::new(), |mut path, (nth, (x, y))| {
            let (x, y) = place(*x, *y);
            // Writing to a String cannot fail.
            let _ = write!(path, "{}{x:.1} {y:.1}", if nth == 0 { 'M' } else { 'L' });
            path
        });
        draw(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"));
        let (x, y) = place(0.62, 0.16);
        #[expect(clippy::cast_precision_loss, reason = "a handful of curves")]
        let below = nth as f64 * 18.0;
        draw(format!("<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>", y + below, curve.name));
    }
    out.push_str("</svg>\n");
    out
}

fn place(x: f64, y: f64) -> (f64, f64) {
    (MARGIN + x * SIDE, MARGIN + (1.0 - y) * SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_where_they_belong() {
        let picture = svg("x", "y", &[Curve { name: "c", points: vec![(0.0, 0.0), (1.0, 1.0)] }]);
        assert!(picture.contains("M60.0 480.0L480.0 60.0"), "{picture}");
        assert!(picture.ends_with("</svg>\n"));
    }
}
