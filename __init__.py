"""Pruning Oracle: what removing each feature map of a convolutional network costs, and how well pruning criteria guess it."""
