"""Gradient boosting: objectives for LightGBM, XGBoost and CatBoost, on NumPy's kernels."""
