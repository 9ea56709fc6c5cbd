//! What the camera sees: a person at a desk, with what was recognized drawn over it, and the number
//! of the picture.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash,
    Transform,
};

use crate::posture::Pose;

const WIDTH: u32 = 480;
const HEIGHT: u32 = 300;

/// Red, green and blue.
type Color = [u8; 3];

const WALL: Color = [0x24, 0x2f, 0x3d];
const WINDOW: Color = [0x2f, 0x3f, 0x51];
const FLOOR: Color = [0x1a, 0x22, 0x2d];
const WOOD: Color = [0x6b, 0x55, 0x45];
const DARK: Color = [0x10, 0x16, 0x1e];
const SCREEN: Color = [0x8f, 0xb8, 0xd8];
const CHAIR: Color = [0x3c, 0x4a, 0x5c];
const TROUSERS: Color = [0x3a, 0x55, 0x7e];
const SHIRT: Color = [0x5f, 0x8c, 0xbf];
const SLEEVE: Color = [0x4f, 0x7a, 0xab];
const SKIN: Color = [0xe6, 0xc2, 0x9f];
const HAIR: Color = [0x3b, 0x2b, 0x24];
const WHITE: Color = [0xff, 0xff, 0xff];
const MARK: Color = [0xf0, 0xe4, 0x42];

const HIP: Point = (196.0, 214.0);
const KNEE: Point = (278.0, 218.0);
const FOOT: Point = (272.0, 282.0);
const HAND: Point = (318.0, 168.0);

type Point = (f32, f32);

/// Draws picture after picture into the same memory.
pub struct Camera(Canvas);

impl Camera {
    pub fn new() -> Self {
        Self(Canvas(Pixmap::new(WIDTH, HEIGHT).expect("it has a size")))
    }

    /// The picture of a pose, as PNG.
    pub fn picture(&mut self, pose: Pose, number: u64) -> Result<Vec<u8>, png::EncodingError> {
        let canvas = &mut self.0;
        canvas.room();
        if !pose.is_away {
            canvas.person(pose.slouch);
        }
        canvas.number(number, (16.0, 272.0));
        canvas.encode()
    }
}

struct Canvas(Pixmap);

impl Canvas {
    fn room(&mut self) {
        self.rect((0.0, 0.0), (WIDTH as f32, HEIGHT as f32), WALL);
        self.rect((30.0, 28.0), (96.0, 112.0), WINDOW);
        self.rect((76.0, 28.0), (4.0, 112.0), WALL);
        self.rect((30.0, 82.0), (96.0, 4.0), WALL);
        self.rect((0.0, 262.0), (WIDTH as f32, 38.0), FLOOR);
        // A chair, a desk, and on it a screen.
        self.line(&[(150.0, 118.0), (158.0, 214.0)], 14.0, CHAIR);
        self.line(&[(158.0, 236.0), (240.0, 236.0)], 16.0, CHAIR);
        self.line(&[(198.0, 240.0), (198.0, 276.0)], 8.0, CHAIR);
        self.line(&[(170.0, 280.0), (228.0, 280.0)], 8.0, CHAIR);
        self.rect((296.0, 178.0), (164.0, 10.0), WOOD);
        self.rect((440.0, 188.0), (10.0, 90.0), WOOD);
        self.line(&[(408.0, 176.0), (408.0, 136.0)], 8.0, DARK);
        self.line(&[(388.0, 175.0), (428.0, 175.0)], 5.0, DARK);
        self.line(&[(396.0, 66.0), (402.0, 146.0)], 9.0, DARK);
        self.line(&[(391.0, 70.0), (396.0, 142.0)], 2.5, SCREEN);
    }

    fn person(&mut self, slouch: f32) {
        let shoulder = (HIP.0 + 2.0 + 44.0 * slouch, HIP.1 - 96.0 + 16.0 * slouch);
        let head = (shoulder.0 + 8.0 + 26.0 * slouch, shoulder.1 - 46.0 + 12.0 * slouch);
        // The back bends, the more the further it leans.
        let back = (HIP.0 - 6.0 - 14.0 * slouch, (HIP.1 + shoulder.1) / 2.0 - 8.0 * slouch);
        let elbow = (shoulder.0 + 26.0 - 8.0 * slouch, shoulder.1 + 56.0 - 8.0 * slouch);
        self.line(&[HIP, KNEE, FOOT], 26.0, TROUSERS);
        self.line(&[FOOT, (FOOT.0 + 20.0, FOOT.1)], 12.0, DARK);
        self.curve(HIP, back, shoulder, 46.0, SHIRT);
        self.line(&[shoulder, head], 16.0, SKIN);
        self.circle((head.0 - 3.0, head.1 - 4.0), 25.0, HAIR);
        self.circle((head.0 + 3.0, head.1 + 2.0), 21.0, SKIN);
        self.line(&[shoulder, elbow, HAND], 18.0, SLEEVE);
        self.circle(HAND, 10.0, SKIN);

        // What was recognized: where ear, shoulder and hip are, beside how they should be.
        self.dashes(HIP, (HIP.0 + 4.0, 40.0));
        let ear = (head.0 - 2.0, head.1);
        self.curve(HIP, back, shoulder, 2.5, MARK);
        self.line(&[shoulder, ear], 2.5, MARK);
        for joint in [HIP, shoulder, ear] {
            self.circle(joint, 6.0, DARK);
            self.circle(joint, 4.0, MARK);
        }
    }

    /// Digits of seven segments, from their lower left.
    fn number(&mut self, number: u64, (left, bottom): Point) {
        const WIDE: f32 = 9.0;
        const HIGH: f32 = 9.0;
        let at = |x: f32, y: f32| (x * WIDE, -y * HIGH);
        let ends = [
            [at(0.0, 2.0), at(1.0, 2.0)],
            [at(1.0, 2.0), at(1.0, 1.0)],
            [at(1.0, 1.0), at(1.0, 0.0)],
            [at(0.0, 0.0), at(1.0, 0.0)],
            [at(0.0, 1.0), at(0.0, 0.0)],
            [at(0.0, 2.0), at(0.0, 1.0)],
            [at(0.0, 1.0), at(1.0, 1.0)],
        ];
        for (place, digit) in number.to_string().bytes().enumerate() {
            let left = left + place as f32 * (WIDE + 7.0);
            let lit = SEGMENTS[usize::from(digit - b'0')];
            for (_, [from, to]) in ends.iter().enumerate().filter(|(at, _)| lit >> at & 1 == 1) {
                let line = [(left + from.0, bottom + from.1), (left + to.0, bottom + to.1)];
                self.line(&line, 2.5, WHITE);
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        // All of it is opaque, so that what is there needs no conversion.
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        encoder.write_header()?.write_image_data(self.0.data())?;
        Ok(bytes)
    }

    fn rect(&mut self, (left, top): Point, (width, height): (f32, f32), color: Color) {
        let rect = Rect::from_xywh(left, top, width, height).expect("it has a size");
        self.0.fill_rect(rect, &paint(color), Transform::identity(), None);
    }

    fn circle(&mut self, (x, y): Point, radius: f32, color: Color) {
        let path = PathBuilder::from_circle(x, y, radius).expect("it has a size");
        let rule = FillRule::Winding;
        self.0.fill_path(&path, &paint(color), rule, Transform::identity(), None);
    }

    fn line(&mut self, points: &[Point], width: f32, color: Color) {
        let mut path = PathBuilder::new();
        path.move_to(points[0].0, points[0].1);
        for &(x, y) in &points[1..] {
            path.line_to(x, y);
        }
        self.stroke(path, color, &Stroke { width, ..round() });
    }

    fn curve(&mut self, from: Point, by: Point, to: Point, width: f32, color: Color) {
        let mut path = PathBuilder::new();
        path.move_to(from.0, from.1);
        path.quad_to(by.0, by.1, to.0, to.1);
        self.stroke(path, color, &Stroke { width, ..round() });
    }

    fn dashes(&mut self, from: Point, to: Point) {
        let mut path = PathBuilder::new();
        path.move_to(from.0, from.1);
        path.line_to(to.0, to.1);
        let dash = StrokeDash::new(vec![3.0, 8.0], 0.0);
        self.stroke(path, WHITE, &Stroke { width: 1.5, dash, ..round() });
    }

    fn stroke(&mut self, path: PathBuilder, color: Color, stroke: &Stroke) {
        let path: Path = path.finish().expect("it has points");
        self.0.stroke_path(&path, &paint(color), stroke, Transform::identity(), None);
    }
}

/// Which segments of a digit are lit: the ring of six from the top on, and the middle.
const SEGMENTS: [u8; 10] = [
    0b011_1111, 0b000_0110, 0b101_1011, 0b100_1111, 0b110_0110, //
    0b110_1101, 0b111_1101, 0b000_0111, 0b111_1111, 0b110_1111,
];

fn round() -> Stroke {
    Stroke { line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() }
}

fn paint([red, green, blue]: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, u8::MAX);
    paint
}

#[cfg(test)]
mod tests {
    use super::{Camera, HEIGHT, WIDTH};
    use crate::posture::Pose;

    fn decoded(png: &[u8]) -> Vec<u8> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
        pixels
    }

    /// Where two pictures differ: the rows, from the first to the last.
    fn rows(one: &[u8], other: &[u8]) -> Option<(usize, usize)> {
        let row = WIDTH as usize * 4;
        let mut differing = (0..HEIGHT as usize)
            .filter(|row_at| one[row_at * row..][..row] != other[row_at * row..][..row]);
        let first = differing.next()?;
        Some((first, differing.next_back().unwrap_or(first)))
    }

    #[test]
    fn pictures_of_one_pose_differ_in_their_number_alone() {
        let mut camera = Camera::new();
        let pose = Pose { slouch: 0.5, is_away: false };
        let mut picture = |number| decoded(&camera.picture(pose, number).unwrap());
        let pictures: Vec<_> = (0..10).map(&mut picture).collect();
        assert!(pictures[0] == picture(0));
        for (one, other) in (0..10).flat_map(|one| (0..one).map(move |other| (one, other))) {
            let (first, last) = rows(&pictures[one], &pictures[other]).unwrap();
            assert!(first > 240 && last < 280, "{one} and {other}: {first} to {last}");
        }
    }

    #[test]
    fn poses_differ_and_a_person_who_is_away_is_not_in_the_picture() {
        let mut camera = Camera::new();
        let mut picture =
            |slouch, is_away| decoded(&camera.picture(Pose { slouch, is_away }, 1).unwrap());
        assert!(rows(&picture(0.0, false), &picture(1.0, false)).is_some());
        assert!(rows(&picture(0.0, false), &picture(0.0, true)).is_some());
        assert!(rows(&picture(0.0, true), &picture(1.0, true)).is_none());
    }

    #[test]
    fn a_picture_is_opaque_and_small() {
        let png = Camera::new().picture(Pose::at(0.0), u64::MAX).unwrap();
        assert!(png.len() < 64 << 10, "{} bytes", png.len());
        assert!(decoded(&png).iter().skip(3).step_by(4).all(|alpha| *alpha == 255));
    }
}
