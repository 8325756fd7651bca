"""Adversarial losses: a discriminator or critic scores samples, a generator learns from the scores.

Scores are logits, one per sample: `real` ones of data, `fake` ones of generated samples, in
batches of one size.
"""

from losscompiler.spec import (
    Max,
    Norm,
    Param,
    Prediction,
    Sum,
    index,
    log,
    loss,
    sigmoid,
)


@loss(aliases=("gan_minimax_ns",))
def gan_discriminator(
    real=Prediction(), fake=Prediction(), *, label_smoothing=Param(0, interval=(0, 1))
):
    """Cross-entropy of telling data from generated samples.

    Use it with `gan_generator`. `label_smoothing` takes that share off the label of data alone,
    which keeps the discriminator from being too sure (TF-GAN's default is 1/4). The sum over both
    halves is one loss; a library that averages the two gives half of it.

    References:
        I. Goodfellow et al., "Generative Adversarial Nets", 2014.
        T. Salimans et al., "Improved Techniques for Training GANs", 2016 (one-sided smoothing).
    """
    sure = (1 - label_smoothing) * log(sigmoid(real)) + label_smoothing * log(1 - sigmoid(real))
    return -sure - log(1 - sigmoid(fake))


@loss
def gan_generator(fake=Prediction()):
    """Minus the log-probability that a generated sample passes for data (non-saturating).

    Use it with `gan_discriminator`: it has a gradient where the discriminator is sure, unlike
    `gan_generator_minimax`.

    References:
        I. Goodfellow et al., "Generative Adversarial Nets", 2014.
    """
    return -log(sigmoid(fake))


@loss
def gan_generator_minimax(fake=Prediction()):
    """Log-probability that a generated sample is found out: the generator's side of the game.

    Use it to study the minimax game. Its gradient vanishes where the discriminator is sure, which
    is how training starts: prefer `gan_generator`.

    References:
        I. Goodfellow et al., "Generative Adversarial Nets", 2014.
    """
    return log(1 - sigmoid(fake))


@loss(aliases=("lsgan",))
def lsgan_discriminator(
    real=Prediction(), fake=Prediction(), *, real_label=Param(1), fake_label=Param(0)
):
    """Squared distances of scores from the labels of data and of generated samples, halved.

    Use it with `lsgan_generator` where `gan_discriminator` saturates. Here scores are no logits:
    nothing squashes them.

    References:
        X. Mao et al., "Least Squares Generative Adversarial Networks", 2017.
    """
    return ((real - real_label) ** 2 + (fake - fake_label) ** 2) / 2


@loss
def lsgan_generator(fake=Prediction(), *, real_label=Param(1)):
    """Squared distance of a generated sample's score from the label that it should get, halved.

    Use it with `lsgan_discriminator`.

    References:
        X. Mao et al., "Least Squares Generative Adversarial Networks", 2017.
    """
    return (fake - real_label) ** 2 / 2


@loss(aliases=("wgan",))
def wgan_critic(real=Prediction(), fake=Prediction()):
    """Difference of the critic's scores: minus the Wasserstein distance that it witnesses.

    Use it with `wgan_generator`, and keep the critic 1-Lipschitz: by `gradient_penalty`, spectral
    normalisation or clipped weights. Without that it is unbounded below.

    References:
        M. Arjovsky, S. Chintala and L. Bottou, "Wasserstein GAN", 2017.
    """
    return fake - real


@loss(aliases=("hinge_gan_generator",))
def wgan_generator(fake=Prediction()):
    """Minus the score of a generated sample.

    Use it with `wgan_critic` or `hinge_gan_discriminator`.

    References:
        M. Arjovsky, S. Chintala and L. Bottou, "Wasserstein GAN", 2017.
    """
    return -fake


@loss(aliases=("hinge_gan",))
def hinge_gan_discriminator(real=Prediction(), fake=Prediction()):
    """Hinge losses of telling data from generated samples, with margins of 1 on both sides.

    Use it with `wgan_generator`: the discriminator stops at the margin instead of growing its
    scores for ever.

    References:
        J. H. Lim and J. C. Ye, "Geometric GAN", 2017.
    """
    return Max(0, 1 - real) + Max(0, 1 + fake)


@loss
def relativistic_gan_discriminator(real=Prediction(), fake=Prediction()):
    """Minus the log-probability that data is more realistic than a generated sample.

    Use it for both players: the generator's loss is the same with the two arguments swapped. It
    compares data and samples in pairs, row by row.

    References:
        A. Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from
        standard GAN", 2018.
    """
    return -log(sigmoid(real - fake))


@loss(aliases=("wgan_gp",))
def gradient_penalty(gradient=Prediction("*feature"), *, target=Param(1, nonnegative=True)):
    """Squared distance of the norm of a critic's gradient from a target.

    Use it beside `wgan_critic`, scaled by 10 or so: `gradient` is the critic's gradient by its
    input, at random points between data and samples. The features of a sample form one gradient
    with one norm. It has a kink where the gradient is 0.

    References:
        I. Gulrajani et al., "Improved Training of Wasserstein GANs", 2017.
    """
    f = index("feature")
    return (Norm(gradient[f], f) - target) ** 2


@loss
def r1_penalty(gradient=Prediction("*feature"), *, gamma=Param(10, nonnegative=True)):
    """Squared norm of the discriminator's gradient at data, times `gamma / 2`.

    Use it beside `gan_discriminator`: `gradient` is the discriminator's gradient by its input, at
    data (R1) or at generated samples (R2). Unlike `gradient_penalty` it is smooth and vanishes at
    equilibrium.

    References:
        L. Mescheder, A. Geiger and S. Nowozin, "Which Training Methods for GANs do actually
        Converge?", 2018.
    """
    f = index("feature")
    return gamma / 2 * Sum(gradient[f] ** 2, f)


@loss
def contrastive_divergence(
    data_energy=Prediction(),
    sample_energy=Prediction(),
    *,
    regularisation=Param(0, nonnegative=True),
):
    """Energy of data less that of samples from the model.

    Use it to train an energy-based model; samples come from a few steps of Langevin dynamics and
    are data: detach them. `regularisation` holds the scale of the energies, by their squares.

    References:
        G. E. Hinton, "Training Products of Experts by Minimizing Contrastive Divergence", 2002.
        Y. Du and I. Mordatch, "Implicit Generation and Modeling with Energy-Based Models", 2019
        (regularisation).
    """
    squares = data_energy**2 + sample_energy**2
    return data_energy - sample_energy + regularisation * squares
