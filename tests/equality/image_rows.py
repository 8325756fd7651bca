"""Rows for image, perceptual and audio losses: torch, and the formulas of libraries and papers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from tests.equality.rows import Row, between, constant, plain, real

SIGNAL = {"prediction": real(4, 5), "target": real(4, 5)}
SOUND = {"prediction": real(20), "target": real(20)}
FEATURES = {"features": real(3, 2, 4), "target": real(3, 2, 4)}
SPECTRA = {"magnitude": between(0.1, 3, 4, 5), "target": between(0.1, 3, 4, 5)}
FEW = ((3,),)


def pearson(x: SimpleNamespace, reduction: str) -> Any:
    pairs = zip(x.prediction.flatten(1), x.target.flatten(1), strict=True)
    return plain(1 - torch.stack([torch.corrcoef(torch.stack(p))[0, 1] for p in pairs]), reduction)


def concordance(x: SimpleNamespace, reduction: str) -> Any:
    a, b = x.prediction.flatten(1), x.target.flatten(1)
    mean_a, mean_b = a.mean(1), b.mean(1)
    covariance = ((a - mean_a[:, None]) * (b - mean_b[:, None])).mean(1)
    spread = a.var(1, unbiased=False) + b.var(1, unbiased=False) + (mean_a - mean_b) ** 2
    return plain(1 - 2 * covariance / (spread + x.epsilon), reduction)


def kornia_psnr(x: SimpleNamespace, reduction: str) -> Any:
    mse = F.mse_loss(x.prediction, x.target, reduction="none").mean((1, 2))
    return plain(-10.0 * torch.log10(x.peak**2 / mse), reduction)


def monodepth_smoothness(x: SimpleNamespace, reduction: str) -> Any:
    disp, img = x.depth[:, None], x.image
    grad_disp_x = torch.abs(disp[:, :, :, :-1] - disp[:, :, :, 1:])
    grad_disp_y = torch.abs(disp[:, :, :-1, :] - disp[:, :, 1:, :])
    grad_img_x = torch.mean(torch.abs(img[:, :, :, :-1] - img[:, :, :, 1:]), 1, keepdim=True)
    grad_img_y = torch.mean(torch.abs(img[:, :, :-1, :] - img[:, :, 1:, :]), 1, keepdim=True)
    grad_disp_x = grad_disp_x * torch.exp(-grad_img_x)
    grad_disp_y = grad_disp_y * torch.exp(-grad_img_y)
    return plain(grad_disp_x.mean((1, 2, 3)) + grad_disp_y.mean((1, 2, 3)), reduction)


def eigen(x: SimpleNamespace, reduction: str) -> Any:
    d = (torch.log(x.prediction) - torch.log(x.target)).flatten(1)
    n = d.shape[1]
    return plain((d**2).sum(1) / n - x.balance / n**2 * d.sum(1) ** 2, reduction)


def gram(features: Any) -> Any:
    flat = features.flatten(2)
    return flat @ flat.mT


def gatys_style(x: SimpleNamespace, reduction: str) -> Any:
    n, m = x.features.shape[1], x.features[0, 0].numel()
    squares = (gram(x.features) - gram(x.target)) ** 2
    return plain(1 / (4 * n**2 * m**2) * squares.sum((1, 2)), reduction)


def lpips_layer(x: SimpleNamespace, reduction: str) -> Any:
    mine, theirs = (v / torch.sqrt((v**2).sum(1, keepdim=True)) for v in (x.features, x.target))
    weighted = x.channel_weight[:, None, None] * (mine - theirs) ** 2
    return plain(weighted.sum(1).mean((1, 2)), reduction)


def cosine(x: SimpleNamespace, reduction: str) -> Any:
    return plain(1 - F.cosine_similarity(x.features, x.target, dim=1).mean((1, 2)), reduction)


def centred(x: SimpleNamespace) -> tuple[Any, Any]:
    return (
        x.prediction - x.prediction.mean(-1, keepdim=True),
        x.target - x.target.mean(-1, keepdim=True),
    )


def auraloss_snr(x: SimpleNamespace, reduction: str) -> Any:
    estimate, target = centred(x)
    res = estimate - target
    ratio = (target**2).sum(-1) / ((res**2).sum(-1) + x.epsilon) + x.epsilon
    return plain(-10 * torch.log10(ratio), reduction)


def auraloss_si_sdr(x: SimpleNamespace, reduction: str) -> Any:
    estimate, target = centred(x)
    alpha = (estimate * target).sum(-1) / ((target**2).sum(-1) + x.epsilon)
    target = target * alpha.unsqueeze(-1)
    res = estimate - target
    ratio = (target**2).sum(-1) / ((res**2).sum(-1) + x.epsilon) + x.epsilon
    return plain(-10 * torch.log10(ratio), reduction)


def auraloss_esr(x: SimpleNamespace, reduction: str) -> Any:
    num = torch.sum((x.target - x.prediction) ** 2, dim=-1)
    return plain(num / (torch.sum(x.target**2, dim=-1) + x.epsilon), reduction)


def convergence(x: SimpleNamespace, reduction: str) -> Any:
    def norm(v: Any) -> Any:
        return torch.linalg.matrix_norm(v, ord="fro")

    return plain(norm(x.target - x.magnitude) / norm(x.target), reduction)


def log_stft(x: SimpleNamespace, reduction: str) -> Any:
    loss = F.l1_loss(torch.log(x.magnitude), torch.log(x.target), reduction="none")
    return plain(loss.mean((1, 2)), reduction)


def row(loss: str, theirs: Any, function: str, inputs: Any = SIGNAL, **more: Any) -> Row:
    """A row of a formula over a few samples."""
    return Row(loss, "formula", theirs, inputs, batches=FEW, function=function, **more)


ROWS = [
    Row(
        "pearson_correlation",
        "torch",
        pearson,
        SIGNAL,
        batches=FEW,
        function="torch.corrcoef",
        adapter="one minus it",
    ),
    row(
        "concordance_correlation",
        concordance,
        "Lin, 1989",
        options={"epsilon": 1e-8},
    ),
    row(
        "peak_signal_to_noise",
        kornia_psnr,
        "kornia.losses.PSNRLoss",
        options={"peak": 2.0},
        adapter="max_val is peak; one ratio per sample, where kornia's mean runs over the batch",
    ),
    row(
        "edge_aware_smoothness",
        monodepth_smoothness,
        "Monodepth2 get_smooth_loss",
        {"depth": between(0.1, 2, 4, 5), "image": between(0, 1, 3, 4, 5)},
    ),
    row(
        "scale_invariant_log",
        eigen,
        "Eigen et al., 2014",
        {"prediction": between(0.2, 4, 4, 5), "target": between(0.2, 4, 4, 5)},
        options={"balance": 0.7},
    ),
    Row(
        "content",
        "torch",
        lambda x, r: plain(
            0.5 * F.mse_loss(x.features, x.target, reduction="none").sum((1, 2, 3)), r
        ),
        FEATURES,
        batches=FEW,
        function="torch.nn.functional.mse_loss",
        adapter="summed over each sample and halved",
    ),
    Row(
        "feature_reconstruction",
        "torch",
        lambda x, r: plain(F.mse_loss(x.features, x.target, reduction="none").mean((1, 2, 3)), r),
        FEATURES,
        batches=FEW,
        function="torch.nn.functional.mse_loss",
        adapter="averaged over each sample",
    ),
    row("style", gatys_style, "Gatys et al., 2016", FEATURES),
    row(
        "learned_perceptual",
        lpips_layer,
        "lpips.LPIPS",
        FEATURES,
        options={"channel_weight": constant([0.5, 1.0, 2.0])},
        adapter="of one layer, without its 1e-10",
    ),
    Row(
        "feature_cosine",
        "torch",
        cosine,
        FEATURES,
        batches=FEW,
        function="torch.nn.functional.cosine_similarity",
        adapter="one minus its mean over positions",
    ),
    row(
        "signal_to_noise",
        auraloss_snr,
        "auraloss.time.SNRLoss",
        SOUND,
        options={"epsilon": 1e-20},
        adapter="eps is epsilon, added to the ratio and not to the power of the signal",
    ),
    row(
        "si_sdr",
        auraloss_si_sdr,
        "auraloss.time.SISDRLoss",
        SOUND,
        options={"epsilon": 1e-20},
        adapter="eps is epsilon, added to the ratio and not to the power of the signal",
    ),
    row("error_to_signal", auraloss_esr, "auraloss.time.ESRLoss", SOUND, options={"epsilon": 1e-8}),
    row(
        "spectral_convergence",
        convergence,
        "auraloss.freq.SpectralConvergenceLoss",
        SPECTRA,
        unlike="takes one norm over the whole batch",
    ),
    row("log_magnitude", log_stft, "auraloss.freq.STFTMagnitudeLoss", SPECTRA),
]
