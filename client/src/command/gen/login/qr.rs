//! A QR code for a terminal: two modules a character, so that an address of usual length fits into 80 by 24.

use qrcode::{Color, EcLevel, QrCode};

/// Black on white whatever the terminal's own colours are: scanners want dark modules on light ground.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";
/// The light border that scanners need, in modules; the standard's four cost too much of a small screen.
const BORDERS: [usize; 2] = [2, 1];

/// Draws `text` within these columns and rows; `None` when it does not fit.
///
/// Without colour the terminal is taken to be light on dark, and light modules are drawn.
pub fn render(text: &str, colour: bool, columns: usize, rows: usize) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let border = BORDERS.into_iter().find(|border| {
        let side = width + 2 * border;
        side <= columns && side.div_ceil(2) <= rows
    })?;
    let modules = code.to_colors();
    let is_dark = |x: usize, y: usize| {
        let (Some(x), Some(y)) = (x.checked_sub(border), y.checked_sub(border)) else { return false };
        x < width && y < width && modules[y * width + x] == Color::Dark
    };
    let side = width + 2 * border;
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        if colour {
            drawn.push_str(BLACK_ON_WHITE);
        }
        // The lowest half line of an odd code belongs to the border.
        drawn
            .extend((0..side).map(|x| half_blocks(is_dark(x, y), y + 1 < side && is_dark(x, y + 1), colour)));
        drawn.push_str(if colour { RESET } else { "" });
        drawn.push('\n');
    }
    Some(drawn)
}

/// The character for two modules, one above the other. With colour dark modules are painted, without the light ones.
fn half_blocks(upper_is_dark: bool, lower_is_dark: bool, colour: bool) -> char {
    match (upper_is_dark == colour, lower_is_dark == colour) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://iam.example.org/device?user_code=ABCD-EFGH";

    #[test]
    fn fits_a_small_terminal() {
        let drawn = render(ADDRESS, false, 80, 24 - 4).expect("it fits");
        assert!(drawn.lines().count() <= 20);
        assert!(drawn.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(render(ADDRESS, false, 20, 24), None);
        assert_eq!(render(ADDRESS, false, 80, 10), None);
        assert_eq!(render(&"x".repeat(5000), false, 80, 24), None);
    }

    #[test]
    fn what_is_drawn_is_the_code() {
        let code = QrCode::with_error_correction_level(ADDRESS, EcLevel::L).expect("a code");
        let drawn = render(ADDRESS, false, 200, 200).expect("it fits");
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        let is_dark = |x: usize, y: usize| match lines[1 + y / 2][x + 2] {
            '█' => false,
            '▀' => y % 2 == 1,
            '▄' => y.is_multiple_of(2),
            _ => true,
        };
        for y in 0..code.width() {
            for x in 0..code.width() {
                assert_eq!(is_dark(x, y), code[(x, y)] == Color::Dark, "{x}, {y}");
            }
        }
    }

    #[test]
    fn colours_end_with_the_line() {
        let drawn = render(ADDRESS, true, 80, 24).expect("it fits");
        assert!(drawn.lines().all(|line| line.starts_with(BLACK_ON_WHITE) && line.ends_with(RESET)));
    }
}
