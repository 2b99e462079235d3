"""Draw the figures of the layers' pages: ``python docs/make_figures.py``.

Each goes to ``docs/images`` as SVG. Every result that a figure shows is computed by the
layer that the figure is about. ``tests/test_figures.py`` fails while one is stale.
"""

from pathlib import Path

import numpy as np

from scratchgan.nn import BatchNorm1d, Conv2d, ConvTranspose2d

IMAGES = Path(__file__).parent / "images"

INK, GREY, LINE = "#1f2328", "#59636e", "#8c959f"
SOURCES = "#0550ae", "#1a7f37", "#a40e26", "#6639ba"
"""Blue, green, red and purple, dark enough for text on white."""
TINTS = "#ddf0ff", "#dafbe1", "#ffe5e3", "#f0e6ff"
"""The same four, light enough to be written on."""
OVERLAP, MEETING = "#fff3bf", "#ffd97a"


class Drawing:
    """Shapes and texts on white, so that they can be read on a dark page too."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="Helvetica, Arial, sans-serif">',
            f"<title>{title}</title>",
            '<rect width="100%" height="100%" rx="6" fill="#ffffff"/>',
        ]

    def box(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Draw a rectangle from its upper left corner."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{fill}" stroke="{LINE}"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Draw a thin line."""
        self._parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{LINE}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 16,
        colour: str = INK,
        *,
        anchor: str = "middle",
        bold: bool = False,
    ) -> None:
        """Write words on the line y, centred at x or beginning or ending there."""
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" '
            f'text-anchor="{anchor}"{weight}>{words}</text>'
        )

    def cell(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        number: float,
        fill: str,
        colour: str = INK,
    ) -> None:
        """Draw a box with a number in it."""
        self.box(x, y, width, height, fill)
        self.text(x + width / 2, y + height / 2 + 5.5, signed(number), 15, colour)

    def svg(self) -> str:
        """Return the file's content."""
        return "\n".join([*self._parts, "</svg>", ""])


def signed(number: float) -> str:
    """Return a number as short as it can be written, with a true minus sign."""
    rounded = round(float(number), 6) + 0.0  # never -0
    return f"{rounded:g}".replace("-", "\N{MINUS SIGN}")


def conv_transpose2d_scatter() -> str:
    """Return where the products of a transposed convolution with stride 2 arrive."""
    stride, x = 2, np.array([[10.0, 20.0], [30.0, 40.0]])
    layer = ConvTranspose2d(1, 1, kernel_size=3, stride=stride, dtype="float64")
    kernel = layer.weight.data[0, 0]
    kernel[...] = np.arange(1, 10).reshape(3, 3)
    y = layer(x[None, None])[0, 0]  # (5, 5)

    drawing = Drawing(864, 630, "Transposed convolution, 3x3 kernel, stride 2")
    small, wide, high, left, top = 46, 100, 110, 340, 56
    drawing.text(92, 40, "x, 2x2", bold=True)
    for h in range(2):
        for w in range(2):
            corner = 46 + w * small, 56 + h * small
            source = 2 * h + w
            fill, colour = TINTS[source], SOURCES[source]
            drawing.cell(*corner, small, small, x[h, w], fill, colour)
    drawing.text(92, 212, "kernel, 3x3", bold=True)
    for i in range(3):
        for j in range(3):
            corner = 23 + j * small, 228 + i * small
            drawing.cell(*corner, small, small, kernel[i, j], "#f6f8fa")
    for row, (fill, words) in enumerate(
        [
            ("#ffffff", "one kernel arrives"),
            (OVERLAP, "two kernels overlap"),
            (MEETING, "all four overlap"),
        ]
    ):
        drawing.box(23, 420 + 34 * row, 22, 22, fill)
        drawing.text(56, 437 + 34 * row, words, anchor="start")
    drawing.text(23, 540, "Colours of products:", colour=GREY, anchor="start")
    drawing.text(23, 562, "the pixel of x they come from", colour=GREY, anchor="start")

    drawing.text(left + 2.5 * wide, 40, "y, 5x5: what arrives, and its sum", bold=True)
    for r in range(5):
        for q in range(5):
            # Pixel (h, w) reaches (r, q) by the tap (r - 2h, q - 2w), if there is one.
            arriving = [
                (2 * h + w, x[h, w], kernel[r - stride * h, q - stride * w])
                for h in range(2)
                for w in range(2)
                if 0 <= r - stride * h < 3 and 0 <= q - stride * w < 3
            ]
            corner = left + q * wide, top + r * high
            fill = {1: "#ffffff", 2: OVERLAP, 4: MEETING}[len(arriving)]
            drawing.box(*corner, wide, high, fill)
            middle, line = corner[0] + wide / 2, corner[1] + 4
            for source, pixel, tap in arriving:
                line += 18
                words = f"{signed(pixel)} · {signed(tap)}"
                drawing.text(middle, line, words, 15, SOURCES[source])
            drawing.text(middle, corner[1] + high - 10, signed(y[r, q]), 17, bold=True)
    return drawing.svg()


def conv2d_im2col() -> str:
    """Return a convolution with stride 2 as a product of matrices."""
    image = np.arange(1.0, 26.0).reshape(1, 1, 5, 5)
    # Nine kernels of a single 1 each take the pixels of every window out.
    picking = Conv2d(1, 9, kernel_size=3, stride=2, dtype="float64")
    picking.weight.data[...] = np.eye(9).reshape(9, 1, 3, 3)
    R = picking(image).reshape(9, 4).T  # (OH·OW, KH·KW)
    layer = Conv2d(1, 1, kernel_size=3, stride=2, dtype="float64")
    layer.weight.data[0, 0] = [[1, 2, 0], [0, -1, 0], [0, 0, 3]]
    y = layer(image).ravel()  # (OH·OW,)
    weight = layer.weight.data.ravel()

    drawing = Drawing(864, 520, "im2col: a convolution as a product of matrices")
    side = 28
    for number, row in enumerate(R):
        left = 24 + 172 * number
        drawing.text(
            left + 2.5 * side,
            36,
            _index("window", number),
            15,
            SOURCES[number],
            bold=True,
        )
        for place, pixel in enumerate(image.ravel()):
            corner = left + place % 5 * side, 52 + place // 5 * side
            seen = pixel in row
            fill, colour = (TINTS[number], INK) if seen else ("#ffffff", LINE)
            drawing.cell(*corner, side, side, pixel, fill, colour)
    drawing.text(754, 36, "kernel, 3x3", 15, bold=True)
    for place, value in enumerate(weight):
        corner = 712 + place % 3 * side, 52 + place // 3 * side
        drawing.cell(*corner, side, side, value, "#f6f8fa")
    words = (
        "The image, 5x5. Stride 2: each window starts two pixels after the one before."
    )
    drawing.text(24, 220, words, 15, GREY, anchor="start")

    left, top, side, low = 124, 310, 40, 24
    middle = top + 2 * side
    drawing.text(
        left + 4.5 * side, top - 14, "R, 4x9: a row for each window", bold=True
    )
    for number, row in enumerate(R):
        line, colour = top + number * side, SOURCES[number]
        words = _index("window", number)
        drawing.text(left - 10, line + 25, words, 15, colour, anchor="end", bold=True)
        for place, pixel in enumerate(row):
            drawing.cell(left + place * side, line, side, side, pixel, TINTS[number])
    drawing.text(505, middle + 8, "·", 28)
    start = middle - 4.5 * low
    drawing.text(546, start - 14, "M, 9x1", bold=True)
    for place, value in enumerate(weight):
        drawing.cell(526, start + place * low, side, low, value, "#f6f8fa")
    drawing.text(588, middle + 8, "=", 24)
    drawing.text(630, top - 14, "Y, 4x1", bold=True)
    drawing.text(784, top + side - 14, "y, 2x2", bold=True)
    for number, value in enumerate(y):
        line, colour = top + number * side, SOURCES[number]
        drawing.cell(610, line, side, side, value, TINTS[number])
        words = _index("y", number)
        drawing.text(660, line + 25, words, 15, colour, anchor="start", bold=True)
        corner = 744 + number % 2 * side, top + side + number // 2 * side
        drawing.cell(*corner, side, side, value, TINTS[number])
    return drawing.svg()


def _index(name: str, number: int) -> str:
    """Return the name of one of 2x2 in their order: ``y(1, 0)`` is number 2."""
    return f"{name}({number // 2}, {number % 2})"


def batch_norm_dx() -> str:
    """Return the three terms of batch normalisation's dx for one channel."""
    x = np.array([2.0, 3.0, 4.0, 5.0, 5.0, 6.0, 6.0, 9.0])  # mean 5, deviation 2
    dy = np.array([-1.5, 0.5, 0.5, 1.0, -0.5, 0.5, 0.5, 3.0])
    layer = BatchNorm1d(1, eps=1e-12, dtype="float64")
    _, ctx = layer.forward(x[:, None])
    dx = layer.backward(dy[:, None], ctx).ravel()
    x_hat, m = ctx.x_hat.ravel(), len(x)
    mean_dy = float(layer.beta.grad[0]) / m
    mean_dy_x_hat = float(layer.gamma.grad[0]) / m
    terms = dy, np.full(m, -mean_dy), -x_hat * mean_dy_x_hat
    rows = [
        ("x_hat", "", x_hat, LINE),
        ("dy", "", dy, SOURCES[0]),
        ("\N{MINUS SIGN} mean(dy)", f"= {signed(-mean_dy)}", terms[1], SOURCES[1]),
        (
            "\N{MINUS SIGN} x_hat · mean(dy · x_hat)",
            f"= {signed(-mean_dy_x_hat)} · x_hat",
            terms[2],
            SOURCES[2],
        ),
        ("sum of the three", "", sum(terms), SOURCES[3]),
        ("dx", "= gamma / sigma · sum", dx, INK),
    ]
    unit, step, left, gap = 22, 70, 270, 60
    heights = [
        gap + unit * (max(values.max(), 0) - min(values.min(), 0))
        for _, _, values, _ in rows
    ]
    drawing = Drawing(
        left + m * step + 20, round(sum(heights)) + 30, "The terms of dx, one channel"
    )
    top = 15.0
    for (name, note, values, colour), height in zip(rows, heights, strict=True):
        zero = top + gap / 2 + unit * max(values.max(), 0)
        middle = top + height / 2
        drawing.text(24, middle + (0 if note else 6), name, anchor="start", bold=True)
        if note:
            drawing.text(24, middle + 22, note, colour=GREY, anchor="start")
        drawing.line(left, zero, left + m * step, zero)
        for place, value in enumerate(values):
            length = unit * abs(round(float(value), 6))
            x_bar = left + place * step + 17
            upper = zero - length if value > 0 else zero
            if length:
                drawing.box(x_bar, upper, 36, length, colour)
            below = value < 0 and length
            label = zero + length + 17 if below else zero - length - 6
            drawing.text(x_bar + 18, label, signed(value), 15)
        top += height
    return drawing.svg()


FIGURES = {
    "conv-transpose2d-scatter": conv_transpose2d_scatter,
    "conv2d-im2col": conv2d_im2col,
    "batch-norm-dx": batch_norm_dx,
}


def main() -> None:
    """Write all figures."""
    for name, draw in FIGURES.items():
        (IMAGES / f"{name}.svg").write_text(draw(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
