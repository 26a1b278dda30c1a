//! Lines over time, as SVG.
//!
//! *Does*: draw what was measured; a while in which nothing was is a gap.
//! *Never does*: colour by attributes that the style sheet could not change, or draw a background: pages are light and dark.

use maud::{Markup, PreEscaped, html};
use patronus_ipc::prober::{Point, Span};
use plotters::{
    chart::ChartBuilder,
    prelude::{DrawingAreaErrorKind, IntoDrawingArea, SVGBackend},
    series::LineSeries,
    style::{Color, IntoFont, RGBColor, ShapeStyle},
};

/// In pixels; the style sheet lets it shrink.
const SIZE: (u32, u32) = (960, 200);
const AXES: RGBColor = RGBColor(135, 147, 165);
const COLOURS: [RGBColor; 2] = [RGBColor(60, 120, 230), RGBColor(214, 140, 20)];
const LABELS: usize = 6;

/// What a line shows of a point, if it was measured.
pub(super) type Value = fn(&Point) -> Option<f64>;

/// One graph.
pub(super) struct Graph<'g> {
    /// What it shows.
    pub title: &'g str,
    /// Behind the numbers.
    pub unit: &'g str,
    /// The lines, at most two, each with its name.
    pub lines: Vec<(&'g str, Value)>,
    /// The least that the scale goes up to.
    pub least: f64,
}

/// The time that graphs show.
pub(super) struct Time<'t> {
    /// How far back.
    pub span: Span,
    /// Its end.
    pub until_unix_s: u64,
    /// In which times are told.
    pub timezone: &'t str,
}

impl Time<'_> {
    const fn span_s(&self) -> u64 {
        match self.span {
            Span::Hour => 3_600,
            Span::Day => 86_400,
            Span::Week => 604_800,
        }
    }

    /// The length of a point; more than one and a half of it without one is a gap.
    const fn point_s(&self) -> u64 {
        match self.span {
            Span::Hour => 10,
            Span::Day => 300,
            Span::Week => 3_600,
        }
    }

    fn label(&self, unix_s: f64) -> String {
        let zone = jiff::tz::TimeZone::get(self.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
        let form = if self.span == Span::Week { "%a %H:%M" } else { "%H:%M" };
        let moment = jiff::Timestamp::from_second(unix_s as i64).map(|moment| moment.to_zoned(zone));
        moment.map(|moment| moment.strftime(form).to_string()).unwrap_or_default()
    }
}

/// The graph of these points.
pub(super) fn graph(graph: &Graph<'_>, points: &[Point], time: &Time<'_>) -> Markup {
    let mut svg = String::new();
    let drawn = draw(&mut svg, graph, points, time).is_ok();
    html! {
        figure.graph {
            figcaption {
                (graph.title)
                @for ((name, _), number) in graph.lines.iter().zip(1..) { span.{ "line" (number) } { (name) } }
            }
            @if drawn { (PreEscaped(svg)) } @else { p.none { "It cannot be drawn." } }
        }
    }
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as plotters::prelude::DrawingBackend>::ErrorType>;

fn draw<'a>(svg: &'a mut String, graph: &Graph<'_>, points: &[Point], time: &Time<'_>) -> Result<(), Failed<'a>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let values = graph.lines.iter().flat_map(|(_, value)| points.iter().filter_map(value));
    let most = values.fold(graph.least, f64::max) * 1.1;
    let from_s = time.until_unix_s.saturating_sub(time.span_s());
    let mut chart = ChartBuilder::on(&root)
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(72)
        .build_cartesian_2d(from_s as f64..time.until_unix_s as f64, 0.0..most)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(LABELS)
        .y_labels(4)
        .axis_style(AXES)
        .bold_line_style(AXES.mix(0.3))
        .light_line_style(AXES.mix(0.0))
        .label_style(("sans-serif", 13).into_font().color(&AXES))
        .x_label_formatter(&|unix_s| time.label(*unix_s))
        .y_label_formatter(&|value| format!("{value:.*} {}", usize::from(most < 10.0), graph.unit))
        .draw()?;
    for ((_, value), colour) in graph.lines.iter().zip(COLOURS) {
        for part in parts(points, *value, time.point_s()) {
            chart.draw_series(LineSeries::new(part, ShapeStyle::from(colour).stroke_width(2)))?;
        }
    }
    root.present()
}

/// The stretches that have a value, each without a gap.
fn parts(points: &[Point], value: Value, point_s: u64) -> Vec<Vec<(f64, f64)>> {
    let mut parts: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last_s = None;
    for point in points {
        let Some(value) = value(point) else { continue };
        let continues = last_s.is_some_and(|last_s| point.unix_s.saturating_sub(last_s) <= point_s * 3 / 2);
        last_s = Some(point.unix_s);
        let at = (point.unix_s as f64, value);
        match parts.last_mut().filter(|_| continues) {
            Some(part) => part.push(at),
            None => parts.push(vec![at]),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(unix_s: u64, rtt_us: Option<u32>) -> Point {
        Point {
            unix_s,
            rtt_us,
            rtt_min_us: None,
            rtt_p95_us: None,
            jitter_us: None,
            loss_out_ppm: None,
            loss_in_ppm: None,
            up_ppm: 0,
        }
    }

    fn rtt_ms(point: &Point) -> Option<f64> {
        Some(f64::from(point.rtt_us?) / 1e3)
    }

    #[test]
    fn a_while_without_measurements_is_a_gap() {
        let points = [(10, Some(1)), (20, Some(2)), (30, None), (40, Some(3)), (70, Some(4)), (80, Some(5))];
        let points = points.map(|(unix_s, rtt_us)| point(unix_s, rtt_us));
        let lengths: Vec<usize> = parts(&points, rtt_ms, 10).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 2]);
    }

    #[test]
    fn a_graph_is_one_svg_without_a_style_of_its_own() {
        let time = Time { span: Span::Hour, until_unix_s: 7_200, timezone: "Europe/Zurich" };
        let shown = Graph { title: "Round trip", unit: "ms", lines: vec![("mean", rtt_ms)], least: 1.0 };
        let points: Vec<Point> = (0..360).map(|n| point(3_600 + n * 10, Some(20_000 + n as u32))).collect();
        let text = graph(&shown, &points, &time).into_string();
        assert_eq!(text.matches("<svg").count(), 1);
        assert!(text.contains("<polyline") && text.contains("20 ms") && text.contains("02:"), "{text}");
        assert!(!text.contains("style="), "the page's policy forbids it");
    }
}
