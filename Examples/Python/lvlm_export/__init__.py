# SPDX-License-Identifier: Apache-2.0
"""Parts of export_trace.py: Hugging Face's LLaVA taken apart, what is recorded of it, and the file that it goes to."""
