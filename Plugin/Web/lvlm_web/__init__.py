# SPDX-License-Identifier: Apache-2.0
"""The page in the browser: a front that listens, and a process of ParaView for each visitor.

The front (front.py and what it includes) knows no ParaView: it lets visitors in, takes their pictures, and passes on what
browser and process say to one another. A visitor's process (process.py and what it includes) has the plugin's module `lvlm`
and a page made with trame; it may run for minutes without looking at the network, and may end, without harm to the others.
"""
