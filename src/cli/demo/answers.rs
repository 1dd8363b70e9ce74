//! What the simulated model knows by heart.

/// The one question whose answer depends on the model's build.
pub(super) const CHANGES_WITH_THE_MODEL: &str = "Which edition of the style guide do you know?";

/// The answer of the given build (from 1) to a prompt. What it does not know by heart it says so, and repeats.
pub(super) fn answer(prompt: &str, build: u32) -> String {
    if prompt == CHANGES_WITH_THE_MODEL {
        let year = 2024 + build;
        return format!("I know the {year} edition of the style guide; rules that came later are unknown to me.");
    }
    let known = ANSWERS.iter().find(|(question, _)| *question == prompt).map(|(_, answer)| (*answer).to_owned());
    known.unwrap_or_else(|| {
        format!("I am a simulated model and know a few answers by heart. This is not one of them: {prompt}")
    })
}

const ANSWERS: &[(&str, &str)] = &[
    (
        "How do I switch on dark mode in the app?",
        "Open Settings, choose Appearance, and pick Dark. The change applies at once; with Automatic the app follows \
         the system and turns dark at sunset.",
    ),
    (
        "How do I switch off dark mode in the app?",
        "Open Settings, choose Appearance, and pick Light. If it turns dark again in the evening, Automatic is chosen: \
         pick Light there too.",
    ),
    (
        "How do I convert a CSV file to JSON?",
        "Read the rows with csv.DictReader, which makes a dictionary of each, collect them in a list, and write that \
         with json.dump(rows, file, indent=2).",
    ),
    (
        "How do I convert a JSON file to CSV?",
        "Load the list with json.load, take the keys of its first object as the header, and write every object as a row \
         with csv.DictWriter.",
    ),
    (
        "Which foods are safe for a cat?",
        "Plain cooked chicken, turkey and fish without bones, a little cooked egg, and small pieces of pumpkin or carrot \
         are safe as treats beside proper cat food.",
    ),
    (
        "Which foods are not safe for a cat?",
        "Onions, garlic, chives, grapes, raisins, chocolate, alcohol and raw dough are dangerous for cats, even in small \
         amounts. Call a vet if one was eaten.",
    ),
    (
        "What does the HTTP status 502 mean?",
        "502 Bad Gateway: a gateway or proxy got no valid answer from the server behind it. Look at that server first; \
         the gateway itself is working.",
    ),
    (
        "What does the HTTP status 503 mean?",
        "503 Service Unavailable: the server cannot answer just now, because it is overloaded or down for maintenance. \
         Retry-After may say when to come back.",
    ),
    (
        "Why do leaves turn red in autumn?",
        "As days shorten, a tree takes back the green chlorophyll. Sugars left in the leaf then become anthocyanins, \
         which are red and shield it from the sun.",
    ),
    (
        "What is the second largest planet in the solar system?",
        "Saturn. It is about 9.4 times as wide as the Earth, and only Jupiter is larger.",
    ),
    (
        "What is the third largest planet in the solar system?",
        "Uranus, by diameter: about 4 times as wide as the Earth. Neptune is a little smaller, and heavier.",
    ),
    (
        "How far can I cycle in 30 minutes?",
        "At an easy pace of 16 to 20 kilometres an hour, about 8 to 10 kilometres on flat ground; less uphill or with \
         many traffic lights.",
    ),
    (
        "How far can I cycle in 30 hours?",
        "A trained rider covers 400 to 600 kilometres in 30 hours, rests included; that is the length of a classic brevet.",
    ),
    (
        "What should a good bug report contain?",
        "What you did, what you expected, what happened instead, the version, and the smallest example that shows it. \
         Logs help; guesses about the cause may come last.",
    ),
    (
        "How do I water a cactus in winter?",
        "Hardly at all: once every four to six weeks, with little water, and only when the soil is dry all the way \
         through. Keep it cool and bright.",
    ),
    (
        "What is the weather like right now?",
        "Light rain from the west and 14 degrees, in the world that this demo makes up. Ask again in an hour: it \
         clears up.",
    ),
    (
        "What does our travel policy say about trains?",
        "Trains come first for journeys under six hours. First class needs no approval when the fare is below that of a \
         flexible second-class ticket.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_build_answers_and_only_one_question_minds_which() {
        assert_ne!(answer(CHANGES_WITH_THE_MODEL, 1), answer(CHANGES_WITH_THE_MODEL, 2));
        for (question, known) in ANSWERS {
            assert_eq!(answer(question, 1), *known);
            assert_eq!(answer(question, 2), *known);
        }
        assert!(answer("Who are you?", 1).ends_with("Who are you?"));
    }
}
