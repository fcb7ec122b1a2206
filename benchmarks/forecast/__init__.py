"""Forecasts measured: do the intervals hold what comes?"""
