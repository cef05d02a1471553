"""What is said about the narrow width."""

import pytest

from jaxnu import LmuLtau, narrow_width_error
from jaxnu.narrow import channels_in_words


@pytest.mark.parametrize(
    ("mass", "coupling", "size"),
    [(3.0, 0.0045, None), (3.0, 0.0064, "about 1 %"), (5.0, 0.1, "more than 10 %"), (0.5, 0.004, "about 0.8 %")],
)
def test_size_of_the_error(mass, coupling, size):
    words = channels_in_words(LmuLtau(mass, coupling, channels="narrow"))
    assert (words == "Channels: narrow.") if size is None else (size in words)


def test_error_is_that_of_the_table_at_its_points():
    errors = [narrow_width_error(LmuLtau(3.0, g, channels="narrow")) for g in (1e-5, 0.0046, 0.0064, 0.0125, 1.0)]
    assert errors == pytest.approx([0.003, 0.003, 0.01, 0.1, 0.1])


def test_other_channels_need_no_caution():
    assert channels_in_words(LmuLtau(3.0, 0.1, channels="all")) == "Channels: all."
    assert channels_in_words(LmuLtau(3.0, 0.0, channels="narrow")) == "Channels: narrow."
    assert narrow_width_error(LmuLtau(3.0, 0.1, channels="all")) == 0
