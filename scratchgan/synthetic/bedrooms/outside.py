"""What is seen through the windows of a synthetic bedroom: sky and a skyline."""

from dataclasses import dataclass

import numpy as np

from scratchgan.synthetic.colours import Colour, hsv, mix


@dataclass(frozen=True)
class Outside:
    """The world beyond the windows, so far away that all of them show the same.

    Directions are azimuth in radians and elevation as rise over run.
    """

    zenith: Colour
    skyline_sky: Colour  # the sky low down
    clouds: float  # 0 clear to 1 overcast
    kind: str  # "hills", "trees" or "houses"
    near: Colour  # of what stands before the sky
    far: Colour
    ground: Colour
    hill: float  # how far below the eye the land lies, elevation
    height: float  # of the skyline, elevation
    phases: tuple[float, float, float]
    lit: float  # share of the houses' windows with light
    day: bool

    def paint(self, directions: np.ndarray) -> np.ndarray:
        """Return the colours (3, n), sRGB, in the directions (3, n)."""
        x, y, z = directions
        azimuth = np.arctan2(x, z)
        elevation = y / np.sqrt(x * x + z * z) + np.float32(self.hill)
        colours = self._sky(azimuth, elevation)
        first, second, third = self.phases
        ridge = 0.6 * np.sin(5 * azimuth + first) + 0.4 * np.sin(11 * azimuth + second)
        self._blend(colours, elevation, self.height * (0.7 + 0.3 * ridge), self.far)
        if self.kind == "houses":
            block = np.floor(8 * azimuth + first)
            top = self.height * (0.55 + 0.45 * np.sin(7.3 * block + second))
            self._blend(colours, elevation, top, self.near)
            self._houses(colours, azimuth, elevation, top)
        else:
            fine = 24 if self.kind == "trees" else 6
            bumps = np.abs(np.sin(fine * azimuth + third))
            top = self.height * (0.2 + 0.35 * ridge + 0.45 * bumps)
            self._blend(colours, elevation, top, self.near)
        self._blend(colours, elevation, -0.06, self.ground)
        return colours

    def _sky(self, azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
        low = np.array(self.skyline_sky, np.float32)[:, None]
        high = np.array(self.zenith, np.float32)[:, None]
        colours = low + np.clip(elevation / 0.35, 0, 1) * (high - low)
        first, second, _ = self.phases
        billows = np.sin(9 * azimuth + first + 2 * np.sin(17 * elevation + second))
        billows = billows + np.sin(23 * elevation + 3 * azimuth)
        cover = self.clouds * np.clip(0.35 * billows + 0.25, 0, 1)
        white = np.float32(0.97 if self.day else 0.33)
        return colours + cover * (white - colours)

    def _houses(
        self,
        colours: np.ndarray,
        azimuth: np.ndarray,
        elevation: np.ndarray,
        top: np.ndarray,
    ) -> None:
        """Put windows into the houses, some of them lit at night."""
        column, row = azimuth * 62, elevation * 62
        inside = (column % 1 < 0.5) & (row % 1 < 0.5) & (elevation < top - 0.008)
        number = np.floor(column) * 7 + np.floor(row) * 13
        bright = inside & ((number * number * 0.37 + self.phases[2]) % 1 < self.lit)
        light = np.array((1.0, 0.85, 0.5), np.float32)[:, None]
        colours[:, bright] = light
        if self.day:
            colours[:, inside & ~bright] *= 0.8

    def _blend(
        self,
        colours: np.ndarray,
        elevation: np.ndarray,
        top: np.ndarray | float,
        colour: Colour,
    ) -> None:
        """Paint what lies below `top`, with a soft edge."""
        cover = np.clip((top - elevation) / 0.008 + 0.5, 0, 1)
        colours += cover * (np.array(colour, np.float32)[:, None] - colours)


def sample_outside(rng: np.random.Generator, day: bool) -> Outside:
    """Draw the world beyond the windows, by day or by night."""
    kind = str(rng.choice(("hills", "trees", "houses")))
    green = hsv(rng.uniform(0.2, 0.38), rng.uniform(0.2, 0.5), rng.uniform(0.5, 0.8))
    wall = hsv(rng.uniform(0.0, 0.12), rng.uniform(0.05, 0.45), rng.uniform(0.5, 0.85))
    near = wall if kind == "houses" else green
    if day:
        hue = rng.uniform(0.54, 0.6)
        zenith = hsv(hue, rng.uniform(0.25, 0.6), rng.uniform(0.88, 1.0))
        low = hsv(hue, rng.uniform(0.02, 0.2), 0.99)
        if rng.random() < 0.15:  # low sun
            low = hsv(rng.uniform(0.05, 0.12), rng.uniform(0.2, 0.5), 1.0)
    else:
        hue = rng.uniform(0.6, 0.68)
        zenith = hsv(hue, rng.uniform(0.6, 0.85), rng.uniform(0.22, 0.42))
        low = hsv(hue - 0.02, rng.uniform(0.4, 0.7), rng.uniform(0.45, 0.65))
        near = mix(near, (0.03, 0.06, 0.16), 0.75)
        green = mix(green, (0.03, 0.06, 0.16), 0.75)
    return Outside(
        zenith=zenith,
        skyline_sky=low,
        clouds=float(rng.uniform(0, 1)),
        kind=kind,
        near=near,
        far=mix(near, low, 0.6),
        ground=mix(green, near, 0.2),
        hill=float(rng.uniform(0.0, 0.12)),
        height=float(rng.uniform(0.04, 0.13)),
        phases=tuple(float(phase) for phase in rng.uniform(0, 6.28, 3)),
        lit=0.0 if day else float(rng.uniform(0.2, 0.6)),
        day=day,
    )
