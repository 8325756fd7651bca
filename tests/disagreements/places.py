"""The places where losses of one name are known to differ, and what holds each of ours there.

A place names cases, by their whole names, or says why there is no number to hold.
"""

PLACES: dict[str, tuple[str, ...] | str] = {
    # ---- reductions and weights ----
    "weights of a cross-entropy": ("keras divides a weighted mean by the number of samples",),
    "weights and one-hot labels": (
        "torch divides by the number of samples once labels are one-hot",
        "torch weighs the smoothed part by the class that it falls on",
    ),
    "weights of squared errors and of huber": (
        "torch divides a weighted huber by the number of entries",
        "torch divides a weighted binary cross-entropy by the number of entries",
    ),
    "nothing to average": (
        "torch gives NaN if every label is ignored",
        "pycox divides by the number of events",
    ),
    "ignored classes and weights": ("keras divides by the number of samples that are not ignored",),
    "ignored entries in a denominator": ("smp averages over ignored entries, too",),
    "the mean of a divergence": ("torch averages a divergence over the classes",),
    "the mean of sequences": (
        "torch divides a CTC loss by the number of labels before it averages",
    ),
    "the last axis": ("keras averages over the last axis under every reduction",),
    "means of what is not 0": (
        "pytorch-metric-learning averages over what is not 0",
        "pytorch-metric-learning divides a margin loss by the pairs that cost anything",
    ),
    "tokens, answers and constants": (
        "grpo of trl averages over each answer first",
        "dr_grpo of trl divides by a constant length",
    ),
    "pools of dice": ("keras pools all samples and classes in dice",),
    "sums over classes": (
        "optax does not divide its hinge of many classes by them, as torch and our multi_margin do",
        "timm adds up its asymmetric loss",
    ),
    "sums over positions": ("monai averages a focal loss over positions under the reduction sum",),
    # ---- arguments, labels, signs ----
    "the order of arguments": ("keras takes the distribution that counts first",),
    "hinge labels of 0": ("keras takes hinge targets of 0 for -1",),
    "labels that are neither 1 nor -1": (
        "torch adds up both branches of a hinge for a target of 0",
    ),
    "the sign of a cosine": ("keras turns the sign of a cosine, and does not add 1",),
    "labels outside of their axis": "ours are refused, in every backend: test_contract_refusals",
    "which label is ignored": "ours is none but the given `ignore_index`; there is no default",
    "where the class axis is": "ours is the last one unless `axis` says so: test_contract_options",
    "how censoring and boxes are written": "a flag `event`; (left, top, right, bottom): docstrings",
    # ---- parameters ----
    "smooth_l1 and huber": ("torch divides smooth_l1 by beta, which huber does not",),
    "halved squares": ("optax halves its l2 loss",),
    "alpha and beta of tversky": ("keras swaps alpha and beta of tversky",),
    "alpha of focal losses": (
        "keras ignores alpha of the binary focal loss unless told otherwise",
        "keras multiplies all classes of a focal loss by alpha",
        "optax mixes the probabilities of soft labels in the focal loss",
    ),
    "smoothing of dice": ("optax doubles the smoothing of dice",),
    "rates and their logarithms": (
        "keras takes the Poisson prediction for a rate",
        "torch adds Stirling's formula for counts above 1 only",
    ),
    "relative and logarithmic errors": (
        "keras gives relative errors in per cent",
        "keras clips what the logarithmic error is taken of",
    ),
    "smoothed labels": ("smp smooths labels of two classes twice as much",),
    "the best rival of a categorical hinge": (
        "keras has the best rival of the categorical hinge score at least 0",
    ),
    "distances of triplets": (
        "optax adds up signed differences for a norm of order 1",
        "torch adds 1e-6 to each difference of a triplet",
        "tensorflow_addons lets an anchor without positives cost something",
    ),
    "temperatures": "a default of `temperature` alone: rows of equality give both sides the same",
    "scales of Barlow twins": ("solo-learn scales the loss of Barlow twins",),
    "pairs of an item with itself": ("rax counts each item's pair with itself",),
    "log-ratios of sequences": (
        "trl adds up the log-ratios of ipo in one trainer, and averages them in the other",
    ),
    "curvatures of boosters": "bounds and exact ones are told apart: test_boosting_curvature",
    # ---- numbers ----
    "logarithms of 0": (
        "torch clamps the logarithm of a probability at -100",
        "torch has a large slope where a probability is 0",
        "keras clips probabilities",
        "keras clips both distributions of the divergence",
    ),
    "clipping in half precision": "1 - 1e-7 is 1 there; ours never clips, and is infinite as well",
    "logits that are made probabilities": ("keras on numpy clips the probabilities of logits",),
    "a sigmoid that is taken back in graphs": "ours compute the same in graphs and eagerly: "
    "test_tensorflow_features",
    "powers below 1 in focal losses": (
        "torchvision has no slope for a saturated logit and a power below 1",
    ),
    "overflow of a soft margin": ("torch overflows in the soft margin loss",),
    "logarithms of targets of 0": "-inf is outside of the domain of a log-target, in ours, too",
    "lengths of 0": (
        "optax has no slope for the cosine of a zero vector",
        "torch has a steep slope for the cosine of a zero vector",
        "optax has no slope for a triplet of equal embeddings",
    ),
    "clamped variances": (
        "torch clamps the variance",
        "torch lets the gradient pass a clamped variance",
    ),
    "sequences that fit nowhere": (
        "torch has an infinite CTC loss where no alignment fits",
        "optax has a large CTC loss where no alignment fits",
    ),
    "small errors of log_cosh": (
        "optax loses a small log_cosh in float32",
        "keras loses a small log_cosh in float32",
    ),
    "slopes at a kink": (
        "jax gives abs the slope 1 at 0",
        "scikit-learn gives the absolute error the slope -1 at 0",
        "optax gives the hinge half its slope at the margin",
    ),
    "curvature at a kink": "test_jax_has_a_curvature_of_neither_side",
    "sums in half precision": ("torch adds up in half precision",),
    "what is held constant": "specs say stop_gradient, and the oracle holds it constant, too",
}
