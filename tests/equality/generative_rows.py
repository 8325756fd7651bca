"""Rows for adversarial and generative losses: torch, and the formulas of libraries and papers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from tests.equality.rows import Row, between, plain, real

SCORES = {"real": real(), "fake": real()}
BOTH = ("real", "fake")
ONE = ((6,),)


def bce(logits: Any, label: float) -> Any:
    target = torch.full_like(logits, label)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def least_squares(x: SimpleNamespace, reduction: str) -> Any:
    on_real = torch.nn.functional.mse_loss(
        x.real, torch.full_like(x.real, x.real_label), reduction="none"
    )
    on_fake = torch.nn.functional.mse_loss(
        x.fake, torch.full_like(x.fake, x.fake_label), reduction="none"
    )
    return plain(0.5 * on_real + 0.5 * on_fake, reduction)


def penalty(x: SimpleNamespace, reduction: str) -> Any:
    return plain((x.gradient.flatten(1).norm(2, dim=1) - 1) ** 2, reduction)


def vae(x: SimpleNamespace, reduction: str) -> Any:
    reconstruction = F.binary_cross_entropy_with_logits(x.logits, x.target, reduction="none").sum(
        -1
    )
    kld = -0.5 * (1 + x.log_variance - x.mean.pow(2) - x.log_variance.exp()).sum(-1)
    return plain(reconstruction + x.beta * kld, reduction)


def vq(x: SimpleNamespace, reduction: str) -> Any:
    codebook = ((x.encoding.detach() - x.code) ** 2).sum(-1)
    commitment = ((x.encoding - x.code.detach()) ** 2).sum(-1)
    return plain(codebook + x.beta * commitment, reduction)


def min_snr(x: SimpleNamespace, reduction: str) -> Any:
    weights = torch.stack([x.snr, x.gamma * torch.ones_like(x.snr)], dim=1).min(dim=1)[0] / x.snr
    loss = F.mse_loss(x.predicted_noise, x.noise, reduction="none")
    return plain(loss.mean(dim=list(range(1, loss.ndim))) * weights, reduction)


def flow(x: SimpleNamespace, reduction: str) -> Any:
    loss = F.mse_loss(x.velocity, x.data - x.source, reduction="none")
    return plain(loss.flatten(1).mean(1), reduction)


def denoising(x: SimpleNamespace, reduction: str) -> Any:
    target = -x.noise / x.sigma[:, None]
    loss = 1 / 2.0 * ((x.score - target) ** 2).sum(dim=-1) * x.sigma**2
    return plain(loss, reduction)


def pseudo_huber(x: SimpleNamespace, reduction: str) -> Any:
    squares = (x.student - x.teacher).flatten(1).pow(2).sum(1)
    return plain(torch.sqrt(squares + x.c**2) - x.c, reduction)


def flow_nll(x: SimpleNamespace, reduction: str) -> Any:
    base = F.gaussian_nll_loss(
        x.latent, torch.zeros_like(x.latent), torch.ones_like(x.latent), full=True, reduction="none"
    )
    return plain(base.sum(-1) - x.log_determinant, reduction)


def energies(x: SimpleNamespace, reduction: str) -> Any:
    contrast = x.data_energy - x.sample_energy
    return plain(contrast + x.regularisation * (x.data_energy**2 + x.sample_energy**2), reduction)


ROWS = [
    Row(
        "gan_discriminator",
        "torch",
        lambda x, r: plain(bce(x.real, 1 - x.label_smoothing) + bce(x.fake, 0), r),
        SCORES,
        {"label_smoothing": 0.25},
        wrt=BOTH,
        batches=ONE,
        function="torch.nn.functional.binary_cross_entropy_with_logits",
        adapter="on data with labels 1 - label_smoothing, plus on samples with labels 0",
    ),
    Row(
        "gan_generator",
        "torch",
        lambda x, r: plain(bce(x.fake, 1), r),
        {"fake": real()},
        batches=ONE,
        function="torch.nn.functional.binary_cross_entropy_with_logits",
        adapter="with labels 1",
    ),
    Row(
        "gan_generator_minimax",
        "torch",
        lambda x, r: plain(-bce(x.fake, 0), r),
        {"fake": real()},
        batches=ONE,
        function="torch.nn.functional.binary_cross_entropy_with_logits",
        adapter="with labels 0, negated",
    ),
    Row(
        "lsgan_discriminator",
        "torch",
        least_squares,
        SCORES,
        {"real_label": 0.9, "fake_label": -0.5},
        wrt=BOTH,
        batches=ONE,
        function="torch.nn.functional.mse_loss",
        adapter="halved, on data and on samples",
    ),
    Row(
        "lsgan_generator",
        "torch",
        lambda x, r: 0.5 * F.mse_loss(x.fake, torch.ones_like(x.fake), reduction=r),
        {"fake": real()},
        batches=ONE,
        function="torch.nn.functional.mse_loss",
        adapter="halved, with targets of 1",
    ),
    Row(
        "wgan_critic",
        "formula",
        lambda x, r: plain(-(x.real - x.fake), r),
        SCORES,
        wrt=BOTH,
        batches=ONE,
        function="tfgan.losses.wasserstein_discriminator_loss",
    ),
    Row(
        "wgan_generator",
        "formula",
        lambda x, r: plain(-x.fake, r),
        {"fake": real()},
        batches=ONE,
        function="tfgan.losses.wasserstein_generator_loss",
    ),
    Row(
        "hinge_gan_discriminator",
        "formula",
        lambda x, r: plain(F.relu(1.0 - x.real) + F.relu(1.0 + x.fake), r),
        SCORES,
        wrt=BOTH,
        batches=ONE,
        function="tfgan.losses.wasserstein_hinge_discriminator_loss",
    ),
    Row(
        "relativistic_gan_discriminator",
        "torch",
        lambda x, r: plain(bce(x.real - x.fake, 1), r),
        SCORES,
        wrt=BOTH,
        batches=ONE,
        function="torch.nn.functional.binary_cross_entropy_with_logits",
        adapter="of real - fake, with labels 1",
    ),
    Row(
        "gradient_penalty",
        "formula",
        penalty,
        {"gradient": real(2, 3)},
        batches=ONE,
        function="Gulrajani et al., 2017",
    ),
    Row(
        "r1_penalty",
        "formula",
        lambda x, r: plain(x.gradient.square().sum([1, 2]) * (x.gamma / 2), r),
        {"gradient": real(2, 3)},
        {"gamma": 4.0},
        batches=ONE,
        function="Mescheder et al., 2018",
    ),
    Row(
        "contrastive_divergence",
        "formula",
        energies,
        {"data_energy": real(), "sample_energy": real()},
        {"regularisation": 0.3},
        wrt=("data_energy", "sample_energy"),
        batches=ONE,
        function="Du and Mordatch, 2019",
    ),
    Row(
        "variational_autoencoder",
        "torch",
        vae,
        {
            "logits": real(5),
            "target": between(0, 1, 5),
            "mean": real(3),
            "log_variance": real(3),
        },
        {"beta": 0.7},
        wrt=("logits", "mean", "log_variance"),
        batches=ONE,
        function="torch.nn.functional.binary_cross_entropy_with_logits",
        adapter="summed over the features, plus the divergence of Kingma and Welling, 2014",
    ),
    Row(
        "vector_quantisation",
        "formula",
        vq,
        {"encoding": real(4), "code": real(4)},
        {"beta": 0.3},
        wrt=("encoding", "code"),
        batches=ONE,
        function="van den Oord et al., 2017",
    ),
    Row(
        "diffusion_min_snr",
        "formula",
        min_snr,
        {"predicted_noise": real(2, 3), "noise": real(2, 3), "snr": between(0.1, 20)},
        {"gamma": 5.0},
        batches=ONE,
        function="diffusers' train_text_to_image.py with snr_gamma=5",
    ),
    Row(
        "flow_matching",
        "formula",
        flow,
        {"velocity": real(2, 3), "source": real(2, 3), "data": real(2, 3)},
        batches=ONE,
        function="Lipman et al., 2023",
    ),
    Row(
        "denoising_score_matching",
        "formula",
        denoising,
        {"score": real(4), "noise": real(4), "sigma": between(0.1, 2)},
        batches=ONE,
        function="Song and Ermon, 2019",
    ),
    Row(
        "consistency",
        "formula",
        pseudo_huber,
        {"student": real(2, 3), "teacher": real(2, 3)},
        {"c": 0.00054 * math.sqrt(6)},
        batches=ONE,
        function="Song and Dhariwal, 2024",
    ),
    Row(
        "normalising_flow_nll",
        "torch",
        flow_nll,
        {"latent": real(4), "log_determinant": real()},
        wrt=("latent", "log_determinant"),
        batches=ONE,
        function="torch.nn.functional.gaussian_nll_loss",
        adapter="full=True, variance 1, summed over the features, less log_determinant",
    ),
]
