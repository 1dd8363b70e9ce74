"""`ChatOllama` in the standard tests, unchanged but for its base URL."""

from conftest import API_KEY, BASE_URL
from langchain_ollama import ChatOllama
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestChatOllama(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOllama

    @property
    def chat_model_params(self):
        headers = {"Authorization": f"Bearer {API_KEY}"}
        return {"model": "llama3.2", "base_url": BASE_URL, "client_kwargs": {"headers": headers}}

    model_override_value = "qwen3"
    has_tool_choice = False  # Ollama has none; the class ignores it.
    supports_json_mode = True
    supports_image_inputs = True
