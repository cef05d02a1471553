"""What the command line says about the narrow width."""

import pytest

from jaxnu.cli.narrow import narrow_width_in_words


@pytest.mark.parametrize(
    ("mass", "coupling", "size"),
    [(3.0, 0.0045, None), (3.0, 0.0064, "about 1 %"), (5.0, 0.1, "more than 10 %"), (0.5, 0.004, "about 0.8 %")],
)
def test_size_of_the_error(mass, coupling, size):
    words = narrow_width_in_words("narrow", mass, coupling)
    assert (words is None) if size is None else (size in words)


def test_other_channels_need_no_caution():
    assert narrow_width_in_words("all", 3.0, 0.1) is None
    assert narrow_width_in_words("narrow", 3.0, 0.0) is None
