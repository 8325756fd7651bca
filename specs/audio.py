"""Audio losses: signals and the magnitudes of their spectrograms.

Signals are the axis "time"; their scale is decibels where a ratio is meant. A silent target has
no ratio to anything: what happens then is said for each loss.
"""

from losscompiler.spec import (
    Abs,
    Mean,
    Norm,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    index,
    log,
    loss,
)

EPSILON = Rational(1, 2**23)  # the distance of 1 and the next number in single precision


def decibels(power):
    """A power in decibels."""
    return 10 * log(power) / log(10)


def power(x, t):
    """Sum of squares over an index."""
    return Sum(x**2, t)


def centred(x, t):
    """A signal less its mean."""
    return x[t] - Mean(x[t], t)


@loss(aliases=("snr",))
def signal_to_noise(
    prediction=Prediction("time"),
    target=Target("time"),
    *,
    epsilon=Param(EPSILON, positive=True),
):
    """Minus the signal-to-noise ratio of an estimate, in decibels.

    Use it for separation or enhancement where the level counts; otherwise use `si_sdr`. `epsilon`
    is added to the power of the signal and of the error: an exact estimate has a large finite
    ratio, and a silent target one near 0 dB for silence. Means are subtracted first.

    References:
        Y. Isik et al., "Single-Channel Multi-Speaker Separation using Deep Clustering", 2016.
    """
    t = index("time")
    wanted = centred(target, t)
    noise = wanted - centred(prediction, t)
    return decibels(power(noise, t) + epsilon) - decibels(power(wanted, t) + epsilon)


@loss(aliases=("si_snr",))
def si_sdr(
    prediction=Prediction("time"),
    target=Target("time"),
    *,
    epsilon=Param(EPSILON, positive=True),
):
    """Minus the scale-invariant signal-to-distortion ratio of an estimate, in decibels.

    Use it for separation: the target is scaled to fit the estimate best, so the estimate's level
    does not count. `epsilon` is added to the powers, also in the scale: a silent target or
    estimate has a finite loss. Means are subtracted first.

    References:
        J. Le Roux et al., "SDR - Half-baked or Well Done?", 2019.
    """
    t = index("time")
    estimate, wanted = centred(prediction, t), centred(target, t)
    scale = Sum(estimate * wanted, t) / (power(wanted, t) + epsilon)
    signal = scale * wanted
    noise = power(estimate - signal, t)
    return decibels(noise + epsilon) - decibels(power(signal, t) + epsilon)


@loss(aliases=("esr",))
def error_to_signal(
    prediction=Prediction("time"),
    target=Target("time"),
    *,
    epsilon=Param(EPSILON, positive=True),
):
    """Energy of the error relative to that of the target.

    Use it to model audio effects, whose level counts; filter both signals first to stress what is
    heard. For a silent target it is the error's energy over `epsilon`: leave such samples out.

    References:
        A. Wright and V. Välimäki, "Perceptual Loss Function for Neural Modelling of Audio
        Systems", 2020.
    """
    t = index("time")
    return power(target[t] - prediction[t], t) / (power(target[t], t) + epsilon)


@loss
def spectral_convergence(
    magnitude=Prediction("frequency", "frame", nonnegative=True),
    target=Target("frequency", "frame", nonnegative=True),
):
    """Distance of two magnitude spectrograms, relative to the norm of the target.

    Use it beside `log_magnitude`, at several resolutions: it stresses the loud parts. It has a
    kink at an exact fit. The target must not be silent.

    References:
        S. O. Arik, H. Jun and G. Diamos, "Fast Spectrogram Inversion using Multi-head
        Convolutional Neural Networks", 2019.
    """
    f, t = index("frequency"), index("frame", "t")
    return Norm(target[f, t] - magnitude[f, t], f, t) / Norm(target[f, t], f, t)


@loss
def log_magnitude(
    magnitude=Prediction("frequency", "frame", positive=True),
    target=Target("frequency", "frame", positive=True),
):
    """Mean absolute difference of the logarithms of two magnitude spectrograms.

    Use it beside `spectral_convergence`: it stresses the quiet parts. Magnitudes must be positive:
    clip them below, as libraries do.

    References:
        S. O. Arik, H. Jun and G. Diamos, "Fast Spectrogram Inversion using Multi-head
        Convolutional Neural Networks", 2019.
    """
    f, t = index("frequency"), index("frame", "t")
    return Mean(Abs(log(magnitude[f, t]) - log(target[f, t])), f, t)
