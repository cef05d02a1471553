"""Tree amplitudes from explicit Dirac spinors and polarisation vectors, in numpy: what the channels are tested against.

Units of M = m_Z′ and g′ = 1. Momenta are in the centre of mass, the target comes along −z, x = E_out/E_in at a target
at rest is p_out·p_2/p_1·p_2. Every dσ is in units of g′⁴/4πM².
"""

import numpy as np

PAULI = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)
METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
ZERO = np.zeros((2, 2))
BLOCKS = [(PAULI[0], PAULI[0]), *((p, -p) for p in PAULI[1:])]
GAMMA = np.array([np.block([[ZERO, upper], [lower, ZERO]]) for upper, lower in BLOCKS])
LEFT = np.diag([1.0, 1.0, 0.0, 0.0])
VECTOR = np.eye(4)


def dot(p, k):
    return p @ METRIC @ k


def slash(p):
    return np.einsum("m,mab->ab", METRIC @ p, GAMMA)


def bar(spinor):
    return spinor.conj() @ GAMMA[0]


def momenta(s, cosine, mass=0.0):
    """p1 + p2 → p3 + p4, the last two of one mass; p3 at angle θ from p1, in the x–z plane."""
    half = np.sqrt(s) / 2
    k = np.sqrt(half**2 - mass**2)
    direction = np.array([np.sqrt(1 - cosine**2), 0, cosine])
    beams = half * np.array([[1, 0, 0, 1.0], [1, 0, 0, -1.0]])
    return *beams, np.array([half, *(k * direction)]), np.array([half, *(-k * direction)])


def left(p):
    """u of a massless left-handed particle, which is also v of a right-handed antiparticle."""
    _, vectors = np.linalg.eigh(np.einsum("i,iab->ab", p[1:], PAULI[1:]))
    return np.sqrt(2 * p[0]) * np.array([*vectors[:, 0], 0, 0])


def massive(p, mass):
    """(u, v) of both spins of a fermion: u = (√(p·σ) ξ, √(p·σ̄) ξ), v with a minus in the lower half."""
    spin = np.einsum("i,iab->ab", p[1:], PAULI[1:])
    roots = [((p[0] + mass) * PAULI[0] + sign * spin) / np.sqrt(2 * (p[0] + mass)) for sign in (-1, 1)]
    return np.concatenate([roots[0], roots[1]]).T, np.concatenate([roots[0], -roots[1]]).T


def exchange(bra1, ket1, bra2, ket2, k, pole, vertex1=LEFT, vertex2=LEFT):
    """[bra1 γ^μ ket1][bra2 γ^ν ket2] (g_μν − k_μ k_ν/M²) × pole."""
    current1 = np.einsum("a,mab,b->m", bra1, GAMMA @ vertex1, ket1)
    current2 = np.einsum("a,mab,b->m", bra2, GAMMA @ vertex2, ket2)
    return (dot(current1, current2) - dot(k, current1) * dot(k, current2)) * pole


def pair_amplitudes(y, x, q, gamma):
    """(s channel, t channel) of ν_i ν̄_j → ν_a ν̄_b, (i, j, a, b); their sum is the amplitude."""
    p1, p2, p3, p4 = momenta(y, 2 * x - 1)
    s = exchange(bar(left(p2)), left(p1), bar(left(p3)), left(p4), p1 + p2, 1 / (y - 1 + 1j * gamma))
    t = exchange(bar(left(p3)), left(p1), bar(left(p2)), left(p4), p1 - p3, 1 / (dot(p1 - p3, p1 - p3) - 1))
    return s * np.einsum("ji,ab->ijab", q, q), -t * np.einsum("ai,jb->ijab", q, q)


def like_amplitudes(y, x, q):
    """(t channel, u channel) of ν_i ν_j → ν_a ν_b, (i, j, a, b), a of energy fraction x."""
    p1, p2, p3, p4 = momenta(y, 2 * x - 1)
    t = exchange(bar(left(p3)), left(p1), bar(left(p4)), left(p2), p1 - p3, 1 / (dot(p1 - p3, p1 - p3) - 1))
    u = exchange(bar(left(p4)), left(p1), bar(left(p3)), left(p2), p1 - p4, 1 / (dot(p1 - p4, p1 - p4) - 1))
    return t * np.einsum("ai,bj->ijab", q, q), -u * np.einsum("bi,aj->ijab", q, q)


def density(amplitudes, y):
    """dσ/dx = |M|²/16πs for massless particles, x = (1 + cos θ)/2."""
    return np.abs(amplitudes) ** 2 / (4 * y)


def fermion_pair(y, mass, gamma, nodes=20):
    """σ(ν ν̄ → f f̄) through s for unit charges, f of that mass with a vector coupling, both spins."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    total = 0.0
    for cosine, weight in zip(points, weights, strict=True):
        p1, p2, p3, p4 = momenta(y, cosine, mass)
        for u in massive(p3, mass)[0]:
            for v in massive(p4, mass)[1]:
                pole = 1 / (y - 1 + 1j * gamma)
                m = exchange(bar(left(p2)), left(p1), bar(u), v, p1 + p2, pole, VECTOR * LEFT, VECTOR)
                total += weight / 2 * np.sqrt(1 - 4 * mass**2 / y) * np.abs(m) ** 2 / (4 * y)
    return total


def polarisations(k, target):
    """Three vectors: two transverse and, last, the longitudinal one about the target's direction in the rest frame."""
    longitudinal = k - target / dot(k, target)
    normal = np.array([0, 0, 1.0, 0])
    other = np.array([0, 1.0, 0, 0])
    other = other - dot(other, k) * k + dot(other, longitudinal) * longitudinal
    return normal, other / np.sqrt(-dot(other, other)), longitudinal


def bosons(y, zeta):
    """(transverse, longitudinal) dσ/dζ of ν ν̄ → Z′Z′ for R_ij = 1, both Z′ counted, at ζ = E_Z′/E."""
    beta = np.sqrt(1 - 4 / y)
    p1, p2, p3, p4 = momenta(y, (2 * zeta - 1) / beta, 1.0)
    through_t, through_u = (slash(p1 - k) / dot(p1 - k, p1 - k) for k in (p3, p4))
    found = np.zeros(3)
    for index, e3 in enumerate(polarisations(p3, p2)):
        for e4 in polarisations(p4, p2):
            chain = slash(e4) @ through_t @ slash(e3) + slash(e3) @ through_u @ slash(e4)
            found[index] += np.abs(bar(left(p2)) @ chain @ left(p1)) ** 2
    # dσ/dζ = |M|²/16πs for one Z′; ½ for identical particles, 2 for both.
    return found[:2].sum() / (4 * y), found[2] / (4 * y)


def decay(x):
    """(transverse, longitudinal) dN/dx of neutrinos and antineutrinos of Z′ → ν ν̄, x the share of the Z′ energy."""
    rates = []
    for e in (np.array([0, 1.0, 0, 0]), np.array([0, 0, 1.0, 0]), np.array([0, 0, 0, 1.0])):
        one, other = (_decay_rate(e, cosine) for cosine in (2 * x - 1, 1 - 2 * x))
        rates.append(one + other)
    return np.mean(rates[:2]), rates[2]


def _decay_rate(polarisation, cosine, azimuths=8):
    """|ū γ·ε P_L v|² averaged over azimuths, normalised to one neutrino: ∫ |M|² dx = 2/3 for M = 1."""
    total = 0.0
    for phi in 2 * np.pi * np.arange(azimuths) / azimuths:
        sine = np.sqrt(1 - cosine**2)
        n = np.array([sine * np.cos(phi), sine * np.sin(phi), cosine])
        p, k = 0.5 * np.array([1, *n]), 0.5 * np.array([1, *-n])
        total += np.abs(bar(left(p)) @ slash(polarisation) @ left(k)) ** 2
    return 1.5 * total / azimuths
