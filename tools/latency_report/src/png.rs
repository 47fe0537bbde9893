//! The plot as PNG: our own SVG, rendered with letters that the binary brings, so that a machine
//! without fonts draws the same picture. Threads: any.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::failure::LatencyError;

/// Pixels per unit of the SVG: sharp in a document.
const SCALE: f32 = 1.5;

/// The picture.
pub(crate) fn png(svg: &str) -> Result<Vec<u8>, LatencyError> {
    let plot = |detail: String| LatencyError::Plot { detail };
    let mut options = Options {
        font_family: "Ubuntu".to_owned(),
        ..Options::default()
    };
    let fonts = Arc::make_mut(&mut options.fontdb);
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let tree = Tree::from_str(svg, &options).map_err(|error| plot(error.to_string()))?;
    let size = tree.size().to_int_size();
    let size = size.scale_by(SCALE).unwrap_or(size);
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| plot("the picture has no size".to_owned()))?;
    let scale = Transform::from_scale(SCALE, SCALE);
    resvg::render(&tree, scale, &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| plot(error.to_string()))
}
