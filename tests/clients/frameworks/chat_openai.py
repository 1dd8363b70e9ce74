"""`ChatOpenAI` in the standard tests, unchanged but for its base URL."""

from conftest import API_KEY, BASE_URL
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestChatOpenAI(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        # Without `stream_usage` the client asks for usage only from the vendor's own address.
        return {"model": "gpt-4o", "base_url": f"{BASE_URL}/v1", "api_key": API_KEY, "stream_usage": True}

    model_override_value = "gpt-4o-mini"
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True


class TestChatOpenAIResponses(TestChatOpenAI):
    """The same over the Responses API, stateless, so that its answers may be kept."""

    @property
    def chat_model_params(self):
        return {**super().chat_model_params, "use_responses_api": True, "store": False}

    supports_pdf_tool_message = True
