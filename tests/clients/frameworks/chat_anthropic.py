"""`ChatAnthropic` in the standard tests, unchanged but for its base URL."""

import pytest
from conftest import API_KEY, BASE_URL
from langchain_anthropic import ChatAnthropic
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestChatAnthropic(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatAnthropic

    @property
    def chat_model_params(self):
        return {"model": "claude-test", "base_url": BASE_URL, "api_key": API_KEY, "max_tokens": 1024}

    model_override_value = "claude-sonnet-4-5"
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True


class TestChatAnthropicSchema(TestChatAnthropic):
    """Structured output by the API's own schema rather than by a forced tool."""

    structured_output_kwargs = {"method": "json_schema"}

    @pytest.mark.xfail(reason="The client takes no Pydantic 1 class; no request is sent.", strict=True)
    def test_structured_output_pydantic_2_v1(self, model):
        super().test_structured_output_pydantic_2_v1(model)
