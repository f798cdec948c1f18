"""The servers and programs this product can start by itself, each as a child that dies with us.

Needs neither Django nor its settings, so that the tests can start servers before either is loaded.
"""
