"""Losses of models that generate: autoencoders, flows, diffusion, consistency.

The entries of a sample, of whatever shape, are the axis "feature"; a loss is one number per
sample.
"""

from losscompiler.spec import (
    Mean,
    Min,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    pi,
    sigmoid,
    size,
    sqrt,
    stop_gradient,
)


def squared_distance(a, b):
    """Sum of squared differences over "feature"."""
    f = index("feature")
    return Sum((a[f] - b[f]) ** 2, f)


@loss(aliases=("elbo",))
def variational_autoencoder(
    logits=Prediction("feature"),
    target=Target("feature", interval=(0, 1)),
    mean=Prediction("latent"),
    log_variance=Prediction("latent"),
    *,
    beta=Param(1, nonnegative=True),
):
    """Negative evidence lower bound: binary cross-entropy plus divergence from the prior.

    Use it to train a variational autoencoder of data in [0, 1] with a Gaussian posterior and a
    standard normal prior; `beta` above 1 favours independent latents. Cross-entropy is summed over
    the features and divergence over the latents, as the bound demands: a mean over pixels would
    make `beta` depend on their number.

    References:
        D. P. Kingma and M. Welling, "Auto-Encoding Variational Bayes", 2014.
        I. Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", 2017.
    """
    f, z = index("feature"), index("latent", "z")
    p = sigmoid(logits[f])
    reconstruction = -Sum(target[f] * log(p) + (1 - target[f]) * log(1 - p), f)
    divergence = Sum(mean[z] ** 2 + exp(log_variance[z]) - log_variance[z] - 1, z) / 2
    return reconstruction + beta * divergence


@loss(aliases=("vq_commitment",))
def vector_quantisation(
    encoding=Prediction("feature"),
    code=Prediction("feature"),
    *,
    beta=Param(Rational(1, 4), nonnegative=True),
):
    """Pulls a code to its encoding, and by `beta` the encoding to its code.

    Use it for the code book of a VQ-VAE: `code` is the nearest entry for `encoding`. The first
    term moves the code alone, the second ("commitment") the encoding alone. It is a sum over the
    features; some implementations average over them.

    References:
        A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural Discrete Representation Learning",
        2017.
    """
    f = index("feature")
    moves_code = Sum((stop_gradient(encoding[f]) - code[f]) ** 2, f)
    moves_encoding = Sum((encoding[f] - stop_gradient(code[f])) ** 2, f)
    return moves_code + beta * moves_encoding


@loss(aliases=("min_snr",))
def diffusion_min_snr(
    predicted_noise=Prediction("*feature"),
    noise=Target("*feature"),
    snr=Target(positive=True),
    *,
    gamma=Param(5, positive=True),
):
    """Mean squared error of predicted noise, weighted down where there is hardly any.

    Use it to train a diffusion model that predicts the noise. `snr` is the signal-to-noise ratio
    of each sample's time step: the weight is `min(snr, gamma) / snr`. For the plain loss of DDPM
    take a `gamma` above every ratio, or `squared_error`. A model that predicts the clean sample
    needs the weight `min(snr, gamma)`: pass it as `weight` of `squared_error`.

    References:
        J. Ho, A. Jain and P. Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
        T. Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy", 2023.
    """
    f = index("feature")
    return Min(snr, gamma) / snr * Mean((predicted_noise[f] - noise[f]) ** 2, f)


@loss
def flow_matching(
    velocity=Prediction("*feature"), source=Target("*feature"), data=Target("*feature")
):
    """Mean squared error of a velocity against the straight way from noise to data.

    Use it to train a flow from `source` (noise, at time 0) to `data` (at time 1); the model sees
    the point on the line between them. Swap the two where time runs the other way.

    References:
        Y. Lipman et al., "Flow Matching for Generative Modeling", 2023.
        X. Liu, C. Gong and Q. Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data
        with Rectified Flow", 2023.
    """
    f = index("feature")
    return Mean((velocity[f] - (data[f] - source[f])) ** 2, f)


@loss
def denoising_score_matching(
    score=Prediction("*feature"), noise=Target("*feature"), sigma=Target(positive=True)
):
    """Squared error of a score against that of the added noise, in units of the noise.

    Use it to learn the gradient of a log-density: the model sees `x + sigma * noise`, with
    standard normal noise. The weight `sigma**2` makes noise levels comparable. Half the sum over
    the features.

    References:
        P. Vincent, "A Connection Between Score Matching and Denoising Autoencoders", 2011.
        Y. Song and S. Ermon, "Generative Modeling by Estimating Gradients of the Data
        Distribution", 2019 (the weight).
    """
    f = index("feature")
    return Sum((sigma * score[f] + noise[f]) ** 2, f) / 2


@loss
def consistency(
    student=Prediction("*feature"),
    teacher=Target("*feature"),
    *,
    c=Param(Rational("0.03"), positive=True),
):
    """Pseudo-Huber distance of two samples as wholes.

    Use it to train a consistency model: `teacher` is the same model's output at the step before,
    as data. The authors take `c = 0.00054 * sqrt(d)` for `d` features: the default fits images of
    32 by 32 pixels. It is smooth, quadratic below `c` and linear above.

    References:
        Y. Song and P. Dhariwal, "Improved Techniques for Training Consistency Models", 2024.
    """
    return sqrt(squared_distance(student, teacher) + c**2) - c


@loss
def normalising_flow_nll(latent=Prediction("*feature"), log_determinant=Prediction()):
    """Negative log-likelihood under a flow with a standard normal base.

    Use it to fit a normalising flow: `log_determinant` is that of the Jacobian of the map from
    data to `latent`. The constant of the normal density is included, so that dividing by
    `d log 2` gives bits per dimension.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density Estimation Using Real NVP", 2017.
    """
    f = index("feature")
    return Sum(latent[f] ** 2, f) / 2 + size("feature") / 2 * log(2 * pi) - log_determinant
